//! The configuration file, key by key.
//!
//! What the original accepts is accepted: keys in any case, repeated keys (the last one wins, objects are merged),
//! `null`, one object and nothing behind it. What the original swallows silently, an unknown or repeated key, is
//! reported as a warning, with the nearest key there is. All wrong values are reported at once.

use super::{
    Wants,
    json::{Json, Member, Source},
    keys::{Key, Origin, Settings, Standing, keys},
    listeners::Written,
    remark::{Place, Problems, REMARKS_MAX, Remark, quote},
};

/// Largest configuration file that is read, in bytes: thousands of zones fit.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// The file as written: what it sets over the defaults, not yet compared with anything.
#[derive(Clone, Debug)]
pub struct File {
    /// The file's values over the defaults.
    pub settings: Settings,
    /// What is odd, but not wrong.
    pub warnings: Vec<Remark>,
    /// Path of the file, for messages.
    pub(super) path: String,
}

impl File {
    /// Reads the text of a file; `path` is what messages call it, and the value of `File`.
    ///
    /// # Errors
    ///
    /// The syntax error, or else every key whose value is of the wrong kind.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let mut file = Self { settings: Settings::default(), warnings: Vec::new(), path: path.to_owned() };
        file.settings.file.derive(path.to_owned(), "-config");
        let refused = |remarks| Problems { file: path.to_owned(), remarks };
        let source = Source::new(text(bytes).map_err(|remark| refused(vec![remark]))?);
        let members = members(&source).map_err(|remark| refused(vec![remark]))?;
        let mut problems = Vec::new();
        let table = keys();
        let mut seen: Vec<&'static str> = Vec::new();
        for member in &members {
            match table.iter().find(|key| key.canonical.eq_ignore_ascii_case(&member.key)) {
                Some(key) => problems.extend(file.take(key, member, &mut seen)),
                None => file.warn(|| unknown(member, table.iter().map(|key| key.spelling))),
            }
            if problems.len() >= REMARKS_MAX {
                break;
            }
        }
        file.settings.soa_serial.origin = Origin::Derived("time of the last change");
        if problems.is_empty() { Ok(file) } else { Err(refused(problems)) }
    }

    /// Keeps a warning, unless there are too many already.
    fn warn(&mut self, remark: impl FnOnce() -> Remark) {
        if self.warnings.len() < REMARKS_MAX {
            self.warnings.push(remark());
        }
    }

    /// Takes over the value of a known key; gives what is wrong with it.
    fn take(&mut self, key: &Key, member: &Member<'_>, seen: &mut Vec<&'static str>) -> Option<Remark> {
        let odd = |what: &str, mend: &str| Remark::new(what, mend).about(key.spelling).at(member.place);
        match key.standing {
            Standing::Later => {
                self.warn(|| odd("is not in force in this version", "it is read and has no effect"));
            }
            Standing::Ignored => self.warn(|| odd("has no effect", "remove it")),
            Standing::Original | Standing::Ours => {}
        }
        if seen.contains(&key.canonical) {
            let mend = "the last value counts; members of objects are merged";
            self.warn(|| odd("is given more than once", mend));
        } else {
            seen.push(key.canonical);
        }
        let outcome = self.settings.read(key.canonical, member.value)?;
        if outcome.is_ok() && !key.members.is_empty() {
            self.warn_of_members(key, member.value);
        }
        outcome.err().map(|remark| remark.about(key.spelling))
    }

    /// Reports members of an object that it does not have.
    fn warn_of_members(&mut self, key: &Key, object: Json<'_>) {
        let known =
            |member: &Member<'_>| key.members.iter().any(|name| name.eq_ignore_ascii_case(&member.key));
        let members = object.members().unwrap_or_default();
        for member in members.iter().filter(|member| !known(member)).take(REMARKS_MAX) {
            let remark = unknown(member, key.members.iter().copied());
            let inner = remark.key.clone().unwrap_or_default();
            self.warn(|| remark.about(format!("{}.{inner}", key.spelling)));
        }
    }

    /// What the shell has to read before [`Config::build`](super::Config::build).
    pub fn wants(&self) -> Wants<'_> {
        Wants {
            resolv_conf: self.settings.external_on.value && self.settings.resolvers.value.items().is_empty(),
            ca_cert_file: given(&self.settings.ca_cert_file.value),
            cert_file: given(&self.settings.cert_file.value),
            key_file: given(&self.settings.key_file.value),
            iam_config_file: given(&self.settings.iam_config_file.value),
            secret_file: given(&self.settings.mesos_credentials.value.secret_file),
            cookie_secret_file: given(&self.settings.cookie_secret_file.value),
            http_tokens_file: given(&self.settings.http_tokens_file.value),
            identities: self
                .settings
                .listeners
                .value
                .0
                .iter()
                .flatten()
                .filter_map(Written::identity)
                .chain(
                    given(&self.settings.http_cert_file.value).zip(given(&self.settings.http_key_file.value)),
                )
                .collect(),
            zone_files: self
                .settings
                .zone_files
                .value
                .0
                .iter()
                .map(|written| written.file.as_str())
                .collect(),
        }
    }
}

/// A path, unless it is empty.
fn given(path: &str) -> Option<&str> {
    Some(path).filter(|path| !path.is_empty())
}

/// The bytes of a file as text.
fn text(bytes: &[u8]) -> Result<&str, Remark> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let place = Source::new(&String::from_utf8_lossy(valid)).place(valid.len());
        Remark::new("not UTF-8 text", "save the file as UTF-8").at(place)
    })?;
    if text.starts_with('\u{feff}') {
        let what = "the file begins with a byte order mark";
        return Err(Remark::new(what, "save it as UTF-8 without one").at(Place { line: 1, column: 1 }));
    }
    Ok(text)
}

/// Splits the file into its members.
fn members<'a>(source: &'a Source<'a>) -> Result<Vec<Member<'a>>, Remark> {
    let json = source.json();
    match json.kind() {
        "an object" => json.members(),
        "null" if json.is_null() => Ok(Vec::new()),
        "nothing" => {
            let mend = "write one JSON object; examples/config.json shows the least it needs";
            Err(Remark::new("the file is empty", mend).at(Place { line: 1, column: 1 }))
        }
        kind => {
            let start = json.literal().len().saturating_sub(json.literal().trim_start().len());
            let what = format!("expected one JSON object, found {kind}");
            Err(Remark::new(what, "begin the file with {").at(source.place(start)))
        }
    }
}

/// The warning for a key that is not known, with the nearest one that is.
fn unknown<'k>(member: &Member<'_>, names: impl Iterator<Item = &'k str>) -> Remark {
    let mend = match nearest(&member.key, names) {
        Some(name) => format!("did you mean {}?", quote(name)),
        None => "it has no effect".to_owned(),
    };
    Remark::new("is not known", mend).about(member.key.clone()).at(member.place)
}

/// The name nearest to what was written, if it is near enough to be meant.
fn nearest<'k>(written: &str, names: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    /// Longer texts are no misspelt keys, and the comparison costs the product of the lengths.
    const WRITTEN_BYTES_MAX: usize = 64;
    if written.len() > WRITTEN_BYTES_MAX {
        return None;
    }
    let folded = written.to_ascii_lowercase();
    let distance = |name: &&str| strsim::damerau_levenshtein(&folded, &name.to_ascii_lowercase());
    let near = |name: &&str| distance(name).saturating_mul(3) <= name.len().max(folded.len());
    names.filter(near).min_by_key(distance)
}
