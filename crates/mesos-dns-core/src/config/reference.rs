//! The table of keys as a page of documentation: `docs/configuration.md` is exactly this.

use std::fmt::Write;

use super::keys::{Key, Standing, keys};

/// The page, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for (standing, title, words) in CHAPTERS {
        let _ = write!(page, "\n## {title}\n\n{words}\n\n| key | value | unit | default | meaning |\n");
        page.push_str("| --- | --- | --- | --- | --- |\n");
        for key in keys().iter().filter(|key| key.standing == standing) {
            page.push_str(&row(key));
        }
    }
    page
}

/// One line of a table.
fn row(key: &Key) -> String {
    let default = match key.default.as_str() {
        "null" => "none".to_owned(),
        text => format!("`{text}`"),
    };
    let kind = key.kind.trim_start_matches("a ");
    format!("| `{}` | {kind} | {} | {default} | {} |\n", key.spelling, key.unit, key.meaning)
}

/// What stands above the tables.
const HEAD: &str = r#"# Configuration

<!-- Made from the table in crates/mesos-dns-core/src/config/keys.rs: `UPDATE_DOCS=1 cargo test -p mesos-dns-core config` rewrites it. -->

One JSON file, `config.json` in the working directory or the path given with `-config`. The least it needs is where
the cluster is:

```json
{"zk": "zk://10.0.0.1:2181,10.0.0.2:2181,10.0.0.3:2181/mesos"}
```

or `{"masters": ["10.0.0.1:5050"]}`. Everything else has a default. `mesos-dns check config.json` says what is wrong
with a file, or shows every value in force and where it comes from, without starting anything.

How the file is read:

- It is one JSON object and nothing else. Case does not matter in keys: `httpport` and `HttpPort` are one key.
- A key that is not known is reported with the nearest one that is. It does not stop the start.
- A repeated key is reported; the last value counts, and the members of objects are merged.
- `null` means "as if it were not there", but empties lists and `zoneResolvers`.
- A list replaces the default list.
- Paths of files are relative to the working directory.
- No secret is ever shown: not in the log, not by `check`, not by `/v1/config`.
"#;

/// The tables, with a few words each.
const CHAPTERS: [(Standing, &str, &str); 4] = [
    (
        Standing::Original,
        "Keys of the original Mesos-DNS",
        "Shown by `/v1/config`, in this order. Defaults are the original's, but for `ttl`, which was 60.",
    ),
    (Standing::Ours, "Keys of ours", "In force in this version. Durations may have fractions: `0.5`."),
    (
        Standing::Later,
        "Keys of later versions",
        "Read and checked, without effect in this version; a file that sets one is told so.",
    ),
    (Standing::Ignored, "Keys without effect", "Found in old files. Accepted, with a warning."),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_committed_page_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, reference()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == reference(), "docs/configuration.md is old: run this test with UPDATE_DOCS=1");
    }
}
