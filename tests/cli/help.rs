//! What the program says about itself: help, manual pages, completions, and its schema for editors.

use super::*;

#[test]
fn every_command_has_help_and_a_manual_page() {
    let place = Place::new();
    let help = place.run("--help").ended(0, &[]).stdout;
    let page = place.run("man").ended(0, &[]).stdout;
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // An indented line continues the description of the command before it.
    let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"load") && names.contains(&"check"), "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        let help = place.run(&format!("{name} --help")).ended(0, &[]).stdout;
        assert!(help.contains(&format!("Usage: logmill {name}")), "{help}");
        assert!(page.contains(&format!(".SH \"LOGMILL {}\"\n", name.to_uppercase())), "{name}");
    }
    let load = place.run("load --help").ended(0, &[]).stdout;
    assert!(load.contains("inferred from FILE, its format") && !load.contains("NDJSON"), "{load}");
    let list = place.run("man dead-letters list").ended(0, &[]).stdout;
    assert!(list.contains("logmill dead\\-letters list") && list.contains("\\-\\-code"), "{list}");
    // Each page has every section of a manual page, and roff finds no fault in it.
    for arguments in ["man", "man load", "man dead-letters", "man dead-letters list", "man bench run"] {
        let page = place.run(arguments).ended(0, &[]).stdout;
        for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
            let found = page.lines().filter(|line| line.replace('"', "") == format!(".SH {section}")).count();
            assert_eq!(found, 1, "{section} in {arguments}:\n{page}");
        }
        assert!(page.contains("LOGMILL_JOB") || arguments == "man bench run", "{arguments}");
        let examples = page.split(".SH EXAMPLES").nth(1).unwrap();
        let named = arguments.replacen("man", "logmill", 1).replace('-', "\\-");
        assert!(examples.contains(&named), "{arguments}:\n{examples}");
        let mut groff = Command::new("groff");
        if groff.arg("--version").output().is_ok() {
            let mut groff = Command::new("groff");
            let said = Said::of(groff.args(["-K", "utf8", "-man", "-Tutf8", "-ww", "-z"]), page.as_bytes());
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{arguments}");
        }
    }
    place.run("man lod").ended(2, &["there is no command lod; `logmill help` lists the commands"]);
}

/// The completions that a shell offers after these words; the last word is being typed.
fn offered(place: &Place, shell: &str, words: &[&str]) -> Vec<String> {
    let mut command = place.command("--");
    command.arg("logmill").args(words).env("LOGMILL_COMPLETE", shell);
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    let said = Said::of(&mut command, b"").ended(0, &[]);
    // A shell displays the text after a tab or colon as a description.
    said.stdout.lines().filter_map(|line| line.split(['\t', ':']).next()).map(str::to_owned).collect()
}

#[test]
fn every_shell_has_completions() {
    let place = Place::new();
    place.write("app.toml", JOB.replace("URL", "sqlite:logmill.db"));
    place.write("other.toml", "[package]\nversion = \"1\"\n");
    place.write("logs/a.ndjson", "{\"n\":1}\nno\n{\"n\":\"x\"}\n");
    place.run("load -j app.toml").ended(3, &[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&format!("completions {shell}")).ended(0, &[]).stdout;
        assert!(script.contains("LOGMILL_COMPLETE"), "{shell}: {script}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let offered = |words: &[&str]| offered(&place, shell, words);
        assert_eq!(offered(&["dead-letters", "re"]), ["replay"], "{shell}");
        assert_eq!(offered(&["check", "--verd"]), ["--verdicts"], "{shell}");
        // Only jobs where a job is expected, and all files where files are.
        assert_eq!(offered(&["load", "-j", "o"]), [] as [&str; 0], "{shell}");
        assert_eq!(offered(&["load", "-j", "app"]), ["app.toml"], "{shell}");
        assert_eq!(offered(&["load", "ot"]), ["other.toml"], "{shell}");
        // Ids of dead letters, also after other ids.
        assert_eq!(offered(&["dead-letters", "show", "-j", "app.toml", ""])[..2], ["1", "2"], "{shell}");
        assert_eq!(offered(&["dead-letters", "discard", "--job=app.toml", "--id", "2"]), ["2"], "{shell}");
        assert_eq!(
            offered(&["dead-letters", "list", "-japp.toml", "--id", "1,"])[..2],
            ["1,1", "1,2"],
            "{shell}"
        );
        // An unreachable destination offers nothing, and soon.
        let away = ["dead-letters", "show", "-j", "app.toml", "--into", "postgres://x@192.0.2.1/x", "1"];
        let began = std::time::Instant::now();
        assert_eq!(offered(&away), [] as [&str; 0], "{shell}");
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[test]
fn a_real_shell_completes() {
    let place = Place::new();
    place.write("app.toml", JOB.replace("URL", "sqlite:logmill.db"));
    let program = place.command("").get_program().to_owned();
    let script = "mkdir bin && ln -s \"$program\" bin/logmill && PATH=$PWD/bin:$PATH
        source <(logmill completions bash)
        COMP_WORDS=(logmill load -j a) COMP_CWORD=3 COMP_TYPE=9
        _clap_complete_logmill logmill a -j
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script]).current_dir(place.path("")).env("program", program);
    assert_eq!(Said::of(&mut bash, b"").ended(0, &[]).stdout, "app.toml\n");
}

#[test]
fn editors_get_a_schema_of_the_job() {
    let place = Place::new();
    let schema: Value =
        serde_json::from_str(&place.run("config --json-schema").ended(0, &[]).stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["source"]["properties"]["files"]["description"].is_string());
    place.run("config").ended(2, &["--json-schema"]);
    let schema = place.run("config --output-schema").ended(0, &[]).stdout;
    assert_eq!(schema, include_str!("../../src/manual/reports.schema.json"));
}

#[test]
fn a_mistyped_command_is_explained_and_touches_nothing() {
    let place = Place::new();
    for (arguments, said) in [
        ("laod a", "unrecognized subcommand 'laod'"),
        ("load --fiels-from x", "--files-from"),
        ("load -j nothing.toml", "cannot read the job file nothing.toml"),
        ("load a --threads x", "--threads"),
        ("load a --batch-bytes 1XB", "--batch-bytes"),
        ("load a --date 2023-02-30", "--date"),
        ("load a --lanes x", "--lanes"),
        ("rollup --check", "--job"),
        ("verify", "--job"),
        ("bench compare a.json", "two results"),
        ("bench run --stages bing", "there are scan, parse, bind, encode, load"),
        ("bench generate -o x --format logfmt --shape github", "take ndjson or json"),
        ("dead-letters replay", "--job"),
        ("dead-letters discard -j job.toml", "--all"),
        ("dead-letters discard -j job.toml --all --code enum", "--all"),
        ("dead-letters list -j job.toml --since yesterday", "--since"),
        ("dead-letters discard -j job.toml --source=", "--source"),
        ("dead-letters discard -j job.toml --code=", "--code"),
        ("dead-letters export -j job.toml", "--out"),
        ("status", "--job"),
        ("check a --verdicts", "--verdicts"),
    ] {
        place.run(arguments).ended(2, &[said]);
    }
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
}

#[test]
fn a_password_on_the_command_line_is_not_repeated() {
    let place = Place::new();
    place.write("f", "{\"n\":1}\n");
    for (arguments, said) in [
        ("load f --into postgresql+psycopg://ada:geheim@host/db", "'postgresql+psycopg://ada:***@host/db'"),
        ("load f --into mysql://ada:ge'heim@host/db", "'mysql://ada:***@host/db'"),
        ("infer f --into Host=h,password=geheim", "'Host=h,password=***'"),
        ("postgres://ada:geheim@host/db", "'postgres://ada:***@host/db'"),
        ("load postgres://ada:geheim@host/db -j k.toml", "a destination goes after --into"),
        ("check postgresql://ada:geheim@host/db", "'postgresql://ada:***@host/db'"),
        ("status -j postgres://ada:geheim@host/db", "a destination goes after --into"),
        ("forget -j k.toml postgres://ada:geheim@host/db", "a destination goes after --into"),
    ] {
        let said = place.run(arguments).ended(2, &[said]);
        assert!(!said.stderr.contains("heim"), "{}", said.stderr);
        let [arguments, .., into] = arguments.split(" --into ").collect::<Vec<_>>()[..] else { continue };
        let said = Said::of(place.command(arguments).env("LOGMILL_INTO", into), b"").ended(2, &["***"]);
        assert!(!said.stderr.contains("heim"), "{}", said.stderr);
    }
}
