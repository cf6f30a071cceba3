//! Command lines, old and new.

use super::*;

fn try_parse(line: &str) -> Result<Args, ErrorKind> {
    let args: Vec<OsString> = std::iter::once("mesos-dns")
        .chain(line.split(' ').filter(|word| !word.is_empty()))
        .map(OsString::from)
        .collect();
    Args::try_parse_from(rewrite(&args)).map_err(|error| error.kind())
}

#[test]
fn flags_are_read_as_go_reads_them() {
    for (line, config, verbosity) in [
        ("", "config.json", 0),
        ("-config=x", "x", 0),
        ("-config x", "x", 0),
        ("--config=x", "x", 0),
        ("--config x", "x", 0),
        ("-config=a=b", "a=b", 0),
        ("-config=", "", 0),
        ("-config -v=1", "-v=1", 0),
        ("-config --", "--", 0),
        ("-config=x -config=y", "y", 0),
        ("-v=1", "config.json", 1),
        ("-v 2", "config.json", 2),
        ("--v=1", "config.json", 1),
        ("--v 1", "config.json", 1),
        ("-v=-1", "config.json", -1),
        ("-v -1", "config.json", -1),
        ("-v=1 -v=2 -config=x", "x", 2),
        (
            "-logtostderr -alsologtostderr=false -stderrthreshold=WARNING -log_dir=/tmp -log_backtrace_at a:1 -vmodule=a=1,b=2 -config=x",
            "x",
            0,
        ),
        ("-stderrthreshold 2 --stderrthreshold=fatal", "config.json", 0),
        ("-version=false", "config.json", 0),
        ("-v=1 --", "config.json", 1),
        ("serve -config=x -v=1", "x", 1),
        ("-config=x serve -v 1", "x", 1),
        ("-config=x serve -config=y", "y", 0),
    ] {
        let args = try_parse(line).unwrap_or_else(|kind| panic!("{line}: {kind}"));
        assert_eq!((args.common.config_path(), args.common.verbosity), (config, verbosity), "{line}");
        assert!(!args.common.version, "{line}");
        assert!(matches!(args.command, None | Some(Command::Serve)), "{line}");
    }
    for line in
        ["-version", "--version", "-version=true", "-version=1", "-V", "-version -v=1", "-version=T serve"]
    {
        assert!(try_parse(line).unwrap().common.version, "{line}");
    }
    for line in ["-h", "-help", "--help", "-help -bogus", "serve -help"] {
        assert_eq!(try_parse(line).unwrap_err(), ErrorKind::DisplayHelp, "{line}");
    }
    for (line, kind) in [
        ("-bogus", ErrorKind::UnknownArgument),
        ("--bogus=1", ErrorKind::UnknownArgument),
        ("-version -bogus", ErrorKind::UnknownArgument),
        ("-bogus -help", ErrorKind::UnknownArgument),
        ("---v=1", ErrorKind::UnknownArgument),
        ("-=1", ErrorKind::UnknownArgument),
        ("-v", ErrorKind::InvalidValue),
        ("-config", ErrorKind::InvalidValue),
        ("-v -config=x", ErrorKind::ValueValidation),
        ("-v=x", ErrorKind::ValueValidation),
        ("-v=1.5", ErrorKind::ValueValidation),
        ("-version=maybe", ErrorKind::ValueValidation),
        ("-logtostderr=2", ErrorKind::ValueValidation),
        ("-stderrthreshold=loud", ErrorKind::ValueValidation),
        ("bogus", ErrorKind::InvalidSubcommand),
        ("-", ErrorKind::InvalidSubcommand),
        ("-version true", ErrorKind::InvalidSubcommand),
        ("demo -tasks=x", ErrorKind::ValueValidation),
        ("demo -churn=-1", ErrorKind::ValueValidation),
        ("demo -churn=NaN", ErrorKind::ValueValidation),
        ("dump", ErrorKind::MissingRequiredArgument),
        ("status http://a --socket b", ErrorKind::ArgumentConflict),
        ("release http://a", ErrorKind::UnknownArgument),
    ] {
        assert_eq!(try_parse(line).map(|args| args.command.is_some()), Err(kind), "{line}");
    }
}

#[test]
fn commands_take_options_in_both_styles() {
    for line in [
        "demo --tasks 7 --seed 8 --churn 0.5 --dns-port 1 --http-port 2",
        "demo -tasks=7 -seed 8 -churn=.5 -dns-port=1 --http-port=2",
    ] {
        let Ok(Args { command: Some(Command::Demo(demo)), .. }) = try_parse(line) else { panic!("{line}") };
        assert_eq!((demo.tasks, demo.seed, demo.churn, demo.dns_port, demo.http_port), (7, 8, 0.5, 1, 2));
    }
    let Ok(Args { command: Some(Command::Dump(dump)), common, .. }) =
        try_parse("dump -config=c -format json state.json")
    else {
        panic!("dump")
    };
    assert_eq!((dump.source.as_str(), dump.format, common.config_path()), ("state.json", Format::Json, "c"));
    let Ok(Args { command: Some(Command::Release(release)), common, .. }) =
        try_parse("release -config=c -socket /run/s")
    else {
        panic!("release")
    };
    assert_eq!((release.socket, common.config_path()), (Some("/run/s".into()), "c"));
    let Ok(Args { command: Some(Command::Status(status)), .. }) = try_parse("status http://a:1") else {
        panic!("status")
    };
    assert_eq!((status.url.as_deref(), status.socket), (Some("http://a:1"), None));
    let Ok(Args { command: Some(Command::Check(check)), .. }) = try_parse("check a.json") else {
        panic!("check")
    };
    assert_eq!(check.file.as_deref(), Some("a.json"));
}

#[test]
fn clap_agrees_with_itself() {
    Args::command().debug_assert();
}
