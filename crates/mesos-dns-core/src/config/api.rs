//! Who may read the HTTP API, and whether over TLS: `httpTokensFile`, `httpCertFile`, `httpKeyFile`.

use super::{
    ClientCertificate, Surroundings,
    keys::Settings,
    remark::{Remark, quote},
    secret::Secret,
};

/// Least characters of a token: fewer could be guessed over the network.
const TOKEN_BYTES_MIN: usize = 16;

/// Most tokens: each is compared with for every request.
const TOKENS_MAX: usize = 1000;

/// The tokens that open the API; `None`: it is open.
pub(super) fn tokens(settings: &Settings, around: &Surroundings) -> Result<Option<Vec<Secret>>, Remark> {
    let path = &settings.http_tokens_file;
    if path.value.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: &str, mend: &str| {
        let what = format!("cannot use {}: {reason}", quote(&path.value));
        Remark::new(what, mend).about("httpTokensFile").at(path.place())
    };
    let text =
        around.http_tokens.as_ref().map_err(|reason| wrong(reason, "give a file that this user may read"))?;
    let mend = "write one token in a line, of 16 visible characters or more: `openssl rand -hex 24`";
    let mut tokens = Vec::new();
    for line in token_lines(text) {
        if line.len() < TOKEN_BYTES_MIN || !line.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(wrong("a line is no token", mend));
        }
        tokens.push(Secret::new(line));
    }
    match tokens.len() {
        0 => Err(wrong("there is no token in it", mend)),
        1..=TOKENS_MAX => Ok(Some(tokens)),
        _ => Err(wrong("there are more than 1000 tokens in it", "give several clients the same one")),
    }
}

/// The lines of a file of tokens that are meant to be one; the others are empty, or begin with `#`.
pub fn token_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The certificate of the API and its key; `None`: it is served in the clear.
pub(super) fn certificate(
    settings: &Settings,
    around: &Surroundings,
) -> Result<Option<ClientCertificate>, Remark> {
    let (certificate, key) = (&settings.http_cert_file, &settings.http_key_file);
    match (certificate.value.as_str(), key.value.as_str()) {
        ("", "") => Ok(None),
        (_, "") => Err(Remark::new("has no key", "set httpKeyFile as well")
            .about("httpCertFile")
            .at(certificate.place())),
        ("", _) => Err(Remark::new("has no certificate", "set httpCertFile as well")
            .about("httpKeyFile")
            .at(key.place())),
        (cert_file, key_file) => match around.unusable_identity(cert_file, key_file) {
            None => Ok(Some(ClientCertificate { cert_file: cert_file.into(), key_file: key_file.into() })),
            Some(reason) => {
                let mend = "give a PEM file with the certificate and its chain, and the PEM file of its key";
                Err(Remark::new(reason, mend).about("httpCertFile").at(certificate.place()))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, File, Unusable};
    use super::*;

    fn build(members: &str, around: &Surroundings) -> Result<Config, String> {
        let text = format!(r#"{{"masters": ["10.0.0.1:5050"], "externalon": false, {members}}}"#);
        let file = File::parse("/etc/config.json", text.as_bytes()).unwrap();
        Config::build(file, around).map_err(|problems| problems.to_string())
    }

    #[test]
    fn tokens_are_read_and_never_told() {
        let around = |text: &str| Surroundings { http_tokens: Ok(text.to_owned()), ..Surroundings::unread() };
        let members = r#""httpTokensFile": "/etc/tokens""#;
        let config =
            build(members, &around("# ours\n0123456789abcdef\n\n  another-token-of-ours \n")).unwrap();
        let tokens: Vec<_> = config.http_tokens.iter().flatten().map(Secret::reveal).collect();
        assert_eq!(tokens, ["0123456789abcdef", "another-token-of-ours"]);
        assert!(!format!("{config:?} {:?}", config.rows()).contains("0123"));
        assert!(build(r#""port": 53"#, &Surroundings::unread()).unwrap().http_tokens.is_none());
        for (text, said) in [
            ("", "no token in it"),
            ("# only a remark\n", "no token in it"),
            ("0123456789abcde", "a line is no token"),
            ("0123456789abcdef 0123456789abcdef", "a line is no token"),
        ] {
            let refused = build(members, &around(text)).unwrap_err();
            assert!(refused.contains("\"httpTokensFile\": cannot use \"/etc/tokens\": "), "{refused}");
            assert!(refused.contains(said) && !refused.contains("0123"), "{refused}");
        }
        assert!(build(members, &Surroundings::unread()).unwrap_err().contains("not read"));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let (cert, key) = (r#""httpCertFile": "/c.pem""#, r#""httpKeyFile": "/k.pem""#);
        let both = format!("{cert}, {key}");
        let around = Surroundings::unread();
        let found = build(&both, &around).unwrap().http_certificate.unwrap();
        assert_eq!((found.cert_file.as_str(), found.key_file.as_str()), ("/c.pem", "/k.pem"));
        assert!(build(cert, &around).unwrap_err().contains("set httpKeyFile as well"));
        assert!(build(key, &around).unwrap_err().contains("set httpCertFile as well"));
        let unusable =
            Unusable { cert_file: "/c.pem".into(), key_file: "/k.pem".into(), reason: "it is rotten".into() };
        let around = Surroundings { unusable: vec![unusable], ..around };
        assert!(build(&both, &around).unwrap_err().contains("it is rotten"));
    }
}
