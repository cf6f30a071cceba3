//! The manual pages are what the help and the table of keys say: `docs/man`.
//!
//! `UPDATE_DOCS=1` writes them.

use std::{fmt::Write, fs, path::Path};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use mesos_dns::args::Args;
use mesos_dns_core::config::{Standing, keys, reference};
use roff::{Inline, Roff, bold, italic, roman};

/// What each part begins with, so that apostrophes are shown as such; once is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Holds a page against the one that is committed.
fn hold(name: &str, page: &str) {
    // There is no date in it: a page is the same until the program is another. Empty arguments have to be quoted.
    let page = page.replace(PREAMBLE, "").replacen("  mesos-dns ", " \"\" mesos-dns ", 1);
    let page = format!("{PREAMBLE}{}", page.replace("\n.br\n\n.br\n", "\n.br\n").replace(" \n", "\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/man/{name} is old: run this test with UPDATE_DOCS=1");
}

/// A page made of parts, without the preamble that each part brings.
#[derive(Default)]
struct Page(String);

impl Page {
    fn add(&mut self, roff: &Roff) {
        self.0.push_str(&roff.to_roff());
    }

    fn section(&mut self, title: &str) {
        self.add(Roff::new().control("SH", [title]));
    }

    fn paragraph(&mut self, words: &str) {
        self.add(Roff::new().control("PP", []).text(inlines(words)));
    }

    /// Lines that stay as they are.
    fn lines(&mut self, text: &str) {
        let mut roff = Roff::new();
        roff.control("RS", ["4"]).control("nf", []);
        for line in text.trim_end().lines() {
            roff.text([roman(line)]);
        }
        self.add(roff.control("fi", []).control("RE", []));
    }
}

/// Text in which what stands between backticks is bold.
fn inlines(words: &str) -> Vec<Inline> {
    let parts = words.split('`').enumerate();
    parts.map(|(place, part)| if place % 2 == 1 { bold(part) } else { roman(part) }).collect()
}

/// What clap_mangen makes of a part, without preamble, and without its heading where that is not wanted.
fn part(render: impl Fn(&mut Vec<u8>), without: Option<&str>) -> String {
    let mut bytes = Vec::new();
    render(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let heading = without.map(|title| format!(".SH {title}"));
    let lines = text.lines().filter(|line| Some(*line) != heading.as_deref());
    lines.fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

#[test]
fn the_program_has_a_page() {
    let command = Args::command();
    let man = Man::new(command.clone()).section("8").source("mesos-dns").manual("System Administration");
    let mut page = Page::default();
    page.0.push_str(&part(|out| man.render_title(out).unwrap(), None));
    page.0.push_str(&part(|out| man.render_name_section(out).unwrap(), None));
    page.section("SYNOPSIS");
    let line = |usage: &str| vec![bold("mesos-dns"), roman(usage)];
    page.add(Roff::new().text(line(" [-config=FILE] [-v=LEVEL]")).control("br", []));
    page.add(Roff::new().text(line(" COMMAND [OPTIONS]")));
    page.0.push_str(&part(|out| man.render_description_section(out).unwrap(), None));
    page.paragraph("Without a command it serves. Flags are taken with one dash or two, the value behind an equals sign or a blank.");
    page.0.push_str(&part(|out| man.render_options_section(out).unwrap(), None));
    page.section("COMMANDS");
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(&mut page, command);
    }
    let help = command.get_after_long_help().unwrap().to_string();
    for paragraph in help.split("\n\n") {
        match paragraph.split_once(':') {
            Some(("Examples", examples)) => {
                page.section("EXAMPLES");
                page.lines(examples.trim_start_matches('\n'));
            }
            Some(("Exit status", text)) => {
                page.section("EXIT STATUS");
                page.paragraph(text.trim());
            }
            _ if paragraph.contains("\n  ") => page.lines(paragraph),
            _ => page.paragraph(paragraph),
        }
    }
    page.section("SIGNALS");
    for (name, what) in [
        ("SIGHUP", "reads the configuration again."),
        ("SIGUSR1", "vouches for the leader, as `release` does."),
        ("SIGTERM, SIGINT", "end it, after answers in hand are sent."),
    ] {
        page.add(Roff::new().control("TP", []).text([bold(name)]).text(inlines(what)));
    }
    page.section("FILES");
    page.add(Roff::new().control("TP", []).text([italic("/etc/mesos-dns/config.json")]));
    page.add(Roff::new().text([
        roman("The configuration of the package; see "),
        bold("mesos-dns.json"),
        roman("(5)."),
    ]));
    page.section("SEE ALSO");
    page.add(Roff::new().text([
        bold("mesos-dns.json"),
        roman("(5), "),
        bold("resolv.conf"),
        roman("(5), "),
        bold("dig"),
        roman("(1)"),
    ]));
    hold("mesos-dns.8", &page.0);
    for command in command.get_subcommands() {
        assert!(
            page.0.contains(&format!(".SS \"mesos-dns {}", command.get_name())),
            "{}",
            command.get_name()
        );
    }
}

/// A command: how it is called, what it does, its options, examples.
fn describe(page: &mut Page, command: &Command) {
    let mut usage = format!("mesos-dns {}", command.get_name());
    for argument in command.get_positionals() {
        let name = argument.get_value_names().map_or(argument.get_id().as_str(), |names| names[0].as_str());
        let name = if argument.get_value_names().is_some() { name.to_owned() } else { name.to_uppercase() };
        let shown = if argument.is_required_set() { format!(" {name}") } else { format!(" [{name}]") };
        usage.push_str(&shown);
    }
    page.add(Roff::new().control("SS", [usage.as_str()]));
    page.paragraph(&format!("{}.", command.get_about().unwrap()));
    if command.get_arguments().next().is_some() {
        let man = Man::new(command.clone().disable_help_flag(true));
        page.0.push_str(&part(|out| man.render_options_section(out).unwrap(), Some("OPTIONS")));
    }
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        let (examples, rest) = help.split_once("\n\n").unwrap_or((&help, ""));
        page.add(Roff::new().control("PP", []));
        page.lines(examples);
        if !rest.is_empty() {
            page.paragraph(rest);
        }
    }
}

#[test]
fn the_configuration_file_has_a_page() {
    let mut page = Page::default();
    page.add(Roff::new().control("TH", ["mesos-dns.json", "5", "", "mesos-dns", "File Formats"]));
    page.section("NAME");
    page.add(Roff::new().text([roman("mesos-dns.json - configuration of mesos-dns")]));
    page.section("DESCRIPTION");
    let (reference, all) = (reference(), keys());
    let (head, _) = reference.split_once("\n## ").unwrap();
    describe_file(&mut page, head);
    for (standing, title) in [
        (Standing::Original, "KEYS OF THE ORIGINAL MESOS-DNS"),
        (Standing::Ours, "KEYS OF OURS"),
        (Standing::Later, "KEYS OF LATER VERSIONS"),
        (Standing::Ignored, "KEYS WITHOUT EFFECT"),
    ] {
        let mut keys = all.iter().filter(|key| key.standing == standing).peekable();
        if keys.peek().is_some() {
            page.section(title);
        }
        for key in keys {
            page.add(Roff::new().control("TP", []).text([bold(key.spelling)]));
            page.add(Roff::new().text(inlines(&key.meaning)));
            let unit = if key.unit.is_empty() { String::new() } else { format!(" {}", key.unit) };
            let default =
                if key.default == "null" { "none".to_owned() } else { format!("{}{unit}", key.default) };
            // With blanks behind commas, so that the lines can be broken.
            let value =
                format!("Value: {}. Default: {default}.", key.kind.replace('`', "")).replace(",\"", ", \"");
            page.add(Roff::new().control("br", []).text([roman(value)]));
        }
    }
    page.section("SEE ALSO");
    page.add(Roff::new().text([bold("mesos-dns"), roman("(8)")]));
    hold("mesos-dns.json.5", &page.0);
    for key in all {
        assert!(page.0.contains(&key.spelling.replace('-', "\\-")), "{}", key.spelling);
    }
}

/// What stands above the tables of the reference: paragraphs, a list, a piece of JSON.
fn describe_file(page: &mut Page, head: &str) {
    for block in head.split("\n\n").filter(|block| !block.starts_with('#') && !block.starts_with("<!--")) {
        if let Some(code) = block.strip_prefix("```json\n") {
            page.lines(code.trim_end_matches("```"));
        } else if block.starts_with("- ") {
            for item in block.split("\n- ") {
                let item = item.trim_start_matches("- ").replace('\n', " ");
                page.add(Roff::new().control("IP", ["\\(bu", "2"]).text(inlines(&item)));
            }
        } else {
            page.paragraph(&block.replace('\n', " "));
        }
    }
}
