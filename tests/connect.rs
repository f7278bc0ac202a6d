//! Connecting: we connect where libpq connects, and refuse what libpq refuses.

/// Hostile servers.
mod hostile;

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use logmill::sink::postgres::connect::{self, Cause, Limits, NotConnected};
use postgres::Client;

use crate::harness::postgres::{Options, Server};
use crate::harness::proxy::{At, Fault, Proxy, Rule, Sender};

/// A user with a private home and only these environment variables.
struct Person {
    home: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Person {
    fn new() -> Person {
        Person { home: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    fn with_env(mut self, name: &'static str, value: impl Into<String>) -> Person {
        self.env.push((name, value.into()));
        self
    }

    fn target(&self, url: &str) -> Result<connect::Server, logmill::error::Error> {
        let env = |name: &str| match name {
            "HOME" => self.home.path().to_str().map(str::to_owned),
            _ => self.env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.clone()),
        };
        connect::Server::new(url, true, &env, Limits::default())
    }

    fn connect(&self, url: &str) -> Result<Client, NotConnected> {
        self.target(url).unwrap().connect("a test")
    }
}

fn text(client: &mut Client, question: &str) -> String {
    client.query_one(question, &[]).unwrap().get(0)
}

/// The last cause; with a single host, its only one.
fn cause(outcome: Result<Client, NotConnected>) -> Cause {
    let mut failures = outcome.err().expect("no connection").into_failures();
    failures.pop().expect("a cause").cause
}

fn sqlstate(outcome: Result<Client, NotConnected>) -> String {
    match cause(outcome) {
        Cause::Refused { sqlstate, .. } => sqlstate.code().to_owned(),
        other => panic!("not refused by the server: {other}"),
    }
}

#[test]
fn the_server_sees_the_given_application_name() {
    let database = Server::shared().database();
    let name = |person: Person, url: &str| text(&mut person.connect(url).unwrap(), "SHOW application_name");
    assert_eq!(name(Person::new(), &database.url()), "a test");
    assert_eq!(name(Person::new().with_env("PGAPPNAME", "mine"), &database.url()), "mine");
}

#[test]
fn a_socket_works_in_every_spelling_and_has_no_tls() {
    let database = Server::shared().database();
    let (directory, name) = (database.server().directory().display().to_string(), database.name());
    for url in [
        database.url(),
        format!("postgres:///{name}?host={directory}&user=postgres"),
        format!("host={directory} dbname={name} user=postgres sslmode=verify-full"),
    ] {
        let mut client = Person::new().connect(&url).unwrap();
        assert_eq!(text(&mut client, "SELECT current_database()::text"), name);
    }
    let person = Person::new().with_env("PGHOST", directory).with_env("PGUSER", "postgres");
    assert_eq!(text(&mut person.connect("").unwrap(), "SELECT current_database()::text"), "postgres");
}

/// Connection strings, each with an environment variable. `DIR` is the socket directory of a server, `%DIR`
/// the same percent-encoded.
const STRINGS: &[(&str, &str, &str)] = &[
    ("postgres://postgres@%DIR/postgres", "", ""),
    ("postgresql://postgres@%DIR:5432", "", ""),
    ("postgresql:///postgres?host=DIR&user=postgres", "", ""),
    ("postgres://post%67res@%DIR/postgres?application_name=a%20b", "", ""),
    ("postgres://postgres@%2Fnowhere,%DIR/postgres", "", ""),
    ("postgres://postgres@%2Fnowhere:1,%DIR:5432/postgres", "", ""),
    ("postgres://postgres:any%40@%DIR/postgres?options=-c%20work_mem%3D7MB", "", ""),
    ("postgres:///", "PGHOST", "DIR"),
    ("host=DIR", "", ""),
    ("host = DIR user= postgres dbname ='postgres'", "", ""),
    ("host=/nowhere,DIR port=1,5432", "", ""),
    ("host=/nowhere,DIR port=5432", "", ""),
    ("host=DIR user=nobody user=postgres", "", ""),
    (r"host=DIR application_name='it\'s \\ me'", "", ""),
    (r"host=DIR application_name=a\ b", "", ""),
    ("host=DIR application_name=mine", "PGAPPNAME", "ignored"),
    ("host=DIR options='-c work_mem=7MB'", "PGOPTIONS", "-c work_mem=8MB"),
    ("host=DIR", "PGOPTIONS", "-c work_mem=8MB"),
    ("host=DIR user=", "PGUSER", "nobody"),
    ("host=DIR", "PGDATABASE", "template1"),
    ("host=DIR", "PGPORT", "1"),
    ("host=DIR port=5432", "PGPORT", "1"),
    ("", "PGHOST", "DIR"),
    ("", "PGHOST", "/nowhere,DIR"),
    ("service=ours", "", ""),
    ("service=ours dbname=template1", "", ""),
    ("", "PGSERVICE", "ours"),
    ("service=theirs", "", ""),
    ("service=nested", "", ""),
    ("service=wrong", "", ""),
    ("host=DIR target_session_attrs=read-write", "", ""),
    ("host=DIR target_session_attrs=nonsense", "", ""),
    ("host=DIR channel_binding=sometimes", "", ""),
    ("host=DIR sslmode=nonsense", "", ""),
    ("host=DIR connect_timeout=soon", "", ""),
    ("host=DIR nonsense=1", "", ""),
    ("host=DIR nonsense", "", ""),
    ("host=DIR user='postgres", "", ""),
    ("host=DIR port=x", "", ""),
    ("host=DIR port=0", "", ""),
    ("host=DIR port=5432,5432", "", ""),
    ("host=DIR hostaddr=1,2", "", ""),
    ("postgres://postgres@%DIR/postgres?host", "", ""),
    ("postgres://postgres@%DIR/postgres?nonsense=1", "", ""),
    ("postgres://postgres@%DIR/postgres?user=a=b", "", ""),
    ("postgres://postgres@%DIR/post%gres", "", ""),
    ("postgres://postgres@%DIR/post%00gres", "", ""),
    ("postgres://postgres@[::1/postgres", "", ""),
];

const SERVICES: &str = "[theirs]\nnonsense=1\n[nested]\nservice=ours\n[wrong]\nhost\n# a comment\n[ours]\nhost=DIR\nuser=postgres\n";

#[test]
fn a_connection_string_means_the_same_as_to_libpq() {
    let server = Server::shared();
    let directory = server.directory().display().to_string();
    let fill = |text: &str| text.replace("%DIR", &directory.replace('/', "%2F")).replace("DIR", &directory);
    let question = "SELECT concat_ws('|', current_user, current_database(), \
                    current_setting('application_name'), current_setting('work_mem'))";
    for (string, variable, value) in STRINGS {
        let mut person = Person::new().with_env("PGUSER", "postgres").with_env("PGAPPNAME", "a test");
        if !variable.is_empty() {
            person.env.insert(0, (variable, fill(value)));
        }
        std::fs::write(person.home.path().join(".pg_service.conf"), fill(SERVICES)).unwrap();

        let outcome = person.target(&fill(string)).map_err(|error| error.to_string()).and_then(|target| {
            let mut client = target.connect("a test").map_err(|error| error.to_string())?;
            Ok(text(&mut client, question))
        });
        let Some(mut psql) = server.psql() else { return };
        psql.env("HOME", person.home.path()).envs(person.env.iter().rev().map(|(name, value)| (name, value)));
        let output = psql.args(["-XAtc", question, "-d", &fill(string)]).output().unwrap();
        let theirs = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        match &outcome {
            Ok(ours) => assert_eq!(*ours, theirs, "{string:?} with {variable}={value:?}: {error}"),
            Err(ours) => assert!(!output.status.success(), "{string:?} with {variable}={value:?}: {ours}"),
        }
    }
}

#[test]
fn hosts_are_tried_in_order_until_one_is_suitable() {
    let read_only = ("default_transaction_read_only", "on".to_owned());
    let secondary = Server::start(Options { settings: vec![read_only], ..Options::default() });
    let primary = Server::shared();
    let [one, two] = [&secondary, primary].map(|server| server.directory().display().to_string());
    let person = Person::new();
    let connect = |more: &str| person.connect(&format!("host=/nowhere,{one},{two} user=postgres {more}"));
    let asking = "SHOW unix_socket_directories";
    assert_eq!(text(&mut connect("").unwrap(), asking), one);
    assert_eq!(text(&mut connect("target_session_attrs=any").unwrap(), asking), one);
    assert_eq!(text(&mut connect("target_session_attrs=primary").unwrap(), asking), one);
    assert_eq!(text(&mut connect("target_session_attrs=read-write").unwrap(), asking), two);

    let alone = person.connect(&format!("host={one} user=postgres target_session_attrs=read-write"));
    assert!(matches!(cause(alone), Cause::ReadOnly(_)));
    let message = person.connect("host=/nowhere,/neither user=me dbname=app").err().unwrap().to_string();
    assert!(message.starts_with("cannot connect to /nowhere:5432,/neither:5432/app as me\n"), "{message}");
    assert!(message.contains("- /nowhere:5432: ") && message.contains("- /neither:5432: "), "{message}");
}

#[test]
fn an_address_without_a_server_is_an_outage() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [&format!("host=127.0.0.1 port={port}"), "host=/nowhere", "host=no.such.host.invalid"] {
        let cause = cause(Person::new().connect(&format!("{url} user=me")));
        assert!(matches!(cause, Cause::Unreached(_)), "{url}: {cause:?}");
    }
}

#[test]
fn a_silent_server_is_abandoned_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let database = Server::shared().database();
    let hang = |at| Proxy::on_tcp(&database, vec![Rule { at, fault: Fault::HangBefore }; 2]);
    let (at_startup, at_answer) =
        (hang(At::Message(Sender::Client, 0)), hang(At::Message(Sender::Server, 3)));
    for url in [
        format!("postgres://me@{}/?", silent.local_addr().unwrap()),
        format!("{}?", at_startup.url()),
        format!("{}?", at_answer.url()),
    ] {
        let start = Instant::now();
        let cause = cause(Person::new().connect(&format!("{url}connect_timeout=1")));
        assert!(matches!(&cause, Cause::Unreached(what) if what.contains("connect_timeout")), "{cause:?}");
        assert!(start.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn a_cut_while_connecting_is_an_outage_wherever_it_falls() {
    let database = Server::shared().database();
    let honest = Proxy::on_tcp(&database, vec![]);
    drop(Person::new().connect(honest.url()).unwrap());
    let answers = honest.traffic()[0].server.len();
    for at in (0..answers).map(|n| At::Message(Sender::Server, n)).chain([At::Message(Sender::Client, 0)]) {
        let proxy = Proxy::on_tcp(&database, vec![Rule { at: at.clone(), fault: Fault::CutBefore }]);
        let cause = cause(Person::new().connect(proxy.url()));
        assert!(matches!(cause, Cause::Unreached(_)), "{at:?}: {cause:?}");
        Person::new().connect(proxy.url()).unwrap();
    }
}

/// A server on which `carol` needs the password `s3cr3t` and everyone else needs none.
fn server_with_passwords() -> Server {
    let server = Server::start(Options {
        tcp: true,
        hba: Some(
            "local all all trust\nhost all carol all scram-sha-256\nhost all all all trust\n".to_owned(),
        ),
        ..Options::default()
    });
    server.client("postgres").batch_execute("CREATE ROLE carol LOGIN PASSWORD 's3cr3t'").unwrap();
    server
}

#[test]
fn a_password_is_found_in_every_place_and_never_shown() {
    let server = server_with_passwords();
    let url = format!("host=127.0.0.1 port={} dbname=postgres user=carol", server.port());

    Person::new().connect(&format!("{url} password=s3cr3t")).unwrap();
    Person::new()
        .connect(&format!("postgres://carol:s3c%723t@127.0.0.1:{}/postgres", server.port()))
        .unwrap();
    Person::new().with_env("PGPASSWORD", "s3cr3t").connect(&url).unwrap();
    let person = Person::new();
    let passfile = person.home.path().join(".pgpass");
    std::fs::write(&passfile, format!("127.0.0.1:{}:*:carol:s3cr3t\n", server.port())).unwrap();
    set_mode(&passfile, 0o600);
    person.connect(&url).unwrap();
    let named = Person::new().with_env("PGPASSFILE", passfile.to_str().unwrap());
    named.connect(&url).unwrap();

    let missing = cause(Person::new().connect(&url));
    assert!(matches!(&missing, Cause::Unfit(what) if what.contains("PGPASSWORD")), "{missing:?}");
    let wrong = Person::new().connect(&format!("{url} password=w.r.0.n.g")).err().unwrap();
    for text in [wrong.to_string(), format!("{wrong:?}")] {
        assert!(text.contains("password authentication failed") && !text.contains("w.r.0.n.g"), "{text}");
    }
    // The message says which of the places has the wrong password.
    assert!(
        wrong.to_string().contains("the password is the one in the connection string (28P01)"),
        "{wrong}"
    );
    let wrong = Person::new().with_env("PGPASSWORD", "wrong").connect(&url).err().unwrap();
    assert!(wrong.to_string().contains("the password is the one from PGPASSWORD"), "{wrong}");
    std::fs::write(&passfile, format!("127.0.0.1:{}:*:carol:wrong\n", server.port())).unwrap();
    let wrong = person.connect(&url).err().unwrap();
    assert!(wrong.to_string().contains(&format!("the one from {}", passfile.display())), "{wrong}");
}

#[test]
fn a_wrong_password_is_sent_to_one_host_once() {
    let server = server_with_passwords();
    let port = server.port();
    let outcome = Person::new()
        .connect(&format!("host=127.0.0.1,127.0.0.1 port={port} dbname=postgres user=carol password=wrong"));
    assert_eq!(outcome.as_ref().err().unwrap().failures().len(), 1);
    assert_eq!(sqlstate(outcome), "28P01");
    assert_eq!(server.log().matches("password authentication failed").count(), 1);
}

#[test]
fn what_the_server_refuses_keeps_its_code() {
    let directory = Server::shared().directory().display().to_string();
    let connect = |more: &str| Person::new().connect(&format!("host={directory} {more}"));
    assert_eq!(sqlstate(connect("user=postgres dbname=absent")), "3D000");
    assert_eq!(sqlstate(connect("user=absent dbname=postgres")), "28000");
    assert_eq!(sqlstate(connect("user=postgres options='-c nonsense=1'")), "42704");
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// TLS, with servers that have certificates of every kind.
#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::harness::authority::{Authority, Certificate};
    use crate::harness::postgres::Tls;

    /// A server on 127.0.0.1 that presents `certificate`.
    fn server(certificate: &Certificate) -> Server {
        server_with(certificate, None, None)
    }

    fn server_with(certificate: &Certificate, clients: Option<&Authority>, hba: Option<&str>) -> Server {
        let tls = Tls {
            certificate: certificate.file.clone(),
            key: certificate.key.clone(),
            client_authority: clients.map(Authority::file),
        };
        let hba = hba.map(|lines| format!("local all all trust\n{lines}\n"));
        Server::start(Options { tcp: true, tls: Some(tls), hba, ..Options::default() })
    }

    /// Asks whether the connection uses TLS.
    const QUESTION: &str =
        "SELECT CASE WHEN ssl THEN 'tls' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

    /// `tls`, `plain`, or the error.
    fn outcome(server: &Server, settings: &str) -> String {
        let url = format!("port={} user=postgres dbname=postgres {settings}", server.port());
        match Person::new().target(&url) {
            Err(error) => format!("settings: {error}"),
            Ok(target) => match target.connect("a test") {
                Err(error) => error.to_string(),
                Ok(mut client) => text(&mut client, QUESTION),
            },
        }
    }

    /// The same through libpq, by way of psql.
    fn outcome_of_libpq(server: &Server, settings: &str) -> Option<String> {
        let home = tempfile::tempdir().unwrap();
        let url = format!("port={} user=postgres dbname=postgres {settings}", server.port());
        let output =
            server.psql()?.args(["-XAtc", QUESTION, &url]).env("HOME", home.path()).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    #[track_caller]
    fn check_ours(server: &Server, cases: &[(&str, &str)]) {
        for (settings, expected) in cases {
            let outcome = outcome(server, settings);
            let is_met = match *expected {
                "tls" | "plain" => outcome == *expected,
                part => outcome.contains(part),
            };
            assert!(is_met, "{settings}: {outcome}");
        }
    }

    /// Checks the outcome of settings, and that libpq connects exactly where we do and in the same way.
    #[track_caller]
    fn check(server: &Server, cases: &[(&str, &str)]) {
        check_ours(server, cases);
        for (settings, expected) in cases {
            let Some(theirs) = outcome_of_libpq(server, settings) else { continue };
            let is_met = match *expected {
                "tls" | "plain" => theirs == *expected,
                _ => theirs != "tls" && theirs != "plain",
            };
            assert!(is_met, "{settings}: libpq differs: {theirs}");
        }
    }

    #[test]
    fn each_mode_verifies_what_libpq_verifies() {
        let (ours, other) = (Authority::new(), Authority::new());
        let server = server(&ours.sign("localhost", "DNS:localhost"));
        let trusting = |authority: &Authority| format!("sslrootcert={}", authority.file().display());
        let (ours, other) = (trusting(&ours), trusting(&other));
        check(
            &server,
            &[
                ("host=localhost", "tls"),
                ("host=localhost sslmode=disable", "plain"),
                ("host=localhost sslmode=prefer", "tls"),
                ("host=localhost sslmode=require", "tls"),
                (&format!("host=localhost sslmode=require {ours}"), "tls"),
                (&format!("host=localhost sslmode=verify-ca {ours}"), "tls"),
                (&format!("host=localhost sslmode=verify-full {ours}"), "tls"),
                (&format!("host=localhost sslmode=require {other}"), "an authority of"),
                (&format!("host=localhost sslmode=verify-ca {other}"), "an authority of"),
                (&format!("host=localhost sslmode=verify-full {other}"), "an authority of"),
                ("host=localhost sslmode=verify-full", "settings: sslmode \"verify-full\""),
                // Only verify-full checks the name, and it checks the host's name, not the address.
                (&format!("host=127.0.0.1 sslmode=verify-ca {ours}"), "tls"),
                (&format!("host=127.0.0.1 sslmode=verify-full {ours}"), "127.0.0.1"),
                (&format!("host=localhost hostaddr=127.0.0.1 sslmode=verify-full {ours}"), "tls"),
                (&format!("host=db.example hostaddr=127.0.0.1 sslmode=verify-ca {ours}"), "tls"),
                (&format!("host=db.example hostaddr=127.0.0.1 sslmode=verify-full {ours}"), "db.example"),
                (&format!("hostaddr=127.0.0.1 sslmode=verify-ca {ours}"), "tls"),
                (&format!("hostaddr=127.0.0.1 sslmode=verify-full {ours}"), "settings: sslmode"),
            ],
        );
        // libpq knows this since version 16.
        check_ours(&server, &[("host=localhost sslrootcert=system sslmode=require", "settings: sslmode")]);
        // A URL means the same as keywords.
        let url = format!(
            "postgres://postgres@db.example:{}/postgres?hostaddr=127.0.0.1&sslmode=verify-full&{ours}",
            server.port()
        );
        assert!(matches!(cause(Person::new().connect(&url)), Cause::Unfit(_)));
        // Both versions of TLS.
        for version in ["TLSv1.2", "TLSv1.3"] {
            let versions = format!("ssl_min_protocol_version={version} ssl_max_protocol_version={version}");
            check(&server, &[(&format!("host=localhost sslmode=verify-full {ours} {versions}"), "tls")]);
        }
    }

    #[test]
    fn an_expired_certificate_is_refused_by_verifying_modes() {
        let ours = Authority::new();
        let server = server(&ours.sign_expired("localhost", "DNS:localhost"));
        let root = format!("sslrootcert={}", ours.file().display());
        check(
            &server,
            &[
                ("host=localhost sslmode=require", "tls"),
                (&format!("host=localhost sslmode=verify-ca {root}"), "was valid until 2020-02-01"),
                (&format!("host=localhost sslmode=verify-full {root}"), "was valid until 2020-02-01"),
            ],
        );
    }

    #[test]
    fn a_revoked_certificate_is_refused_if_a_crl_is_given() {
        let ours = Authority::new();
        let certificate = ours.sign("localhost", "DNS:localhost");
        let server = server(&certificate);
        let list = ours.revoke(&certificate);
        let root = format!("host=localhost sslmode=verify-full sslrootcert={}", ours.file().display());
        check(&server, &[(&root, "tls"), (&format!("{root} sslcrl={}", list.display()), "was revoked")]);
    }

    #[test]
    fn a_self_signed_certificate_is_accepted_as_its_own_root() {
        let ours = Authority::new();
        let certificate = ours.self_signed("DNS:localhost");
        let server = server(&certificate);
        let itself = format!("sslrootcert={}", certificate.file.display());
        check(
            &server,
            &[
                ("host=localhost sslmode=require", "tls"),
                (&format!("host=localhost sslmode=verify-ca {itself}"), "tls"),
                (&format!("host=localhost sslmode=verify-full {itself}"), "tls"),
                (&format!("host=127.0.0.1 sslmode=verify-ca {itself}"), "tls"),
                (&format!("host=127.0.0.1 sslmode=verify-full {itself}"), "127.0.0.1"),
                (
                    &format!("host=localhost sslmode=verify-ca sslrootcert={}", ours.file().display()),
                    "signed for itself",
                ),
                // Another certificate that looks the same.
                (
                    &format!(
                        "host=localhost sslmode=verify-full sslrootcert={}",
                        ours.self_signed("DNS:localhost").file.display()
                    ),
                    "signed for itself",
                ),
            ],
        );
    }

    #[test]
    fn the_common_name_alone_does_not_name_a_host() {
        let ours = Authority::new();
        let server = server(&ours.sign("localhost", ""));
        let root = format!("host=localhost sslrootcert={}", ours.file().display());
        check(&server, &[(&format!("{root} sslmode=verify-ca"), "tls")]);
        // libpq accepts it.
        check_ours(&server, &[(&format!("{root} sslmode=verify-full"), "not valid for any names")]);
    }

    #[test]
    fn a_server_without_tls_is_refused_by_modes_that_require_it() {
        let server = Server::start(Options { tcp: true, ..Options::default() });
        check(
            &server,
            &[
                ("host=127.0.0.1", "plain"),
                ("host=127.0.0.1 sslmode=prefer", "plain"),
                ("host=127.0.0.1 sslmode=require", "has no TLS"),
            ],
        );
    }

    /// Here libpq continues, past the authorities that it was told to check.
    #[test]
    fn a_named_authority_is_always_checked() {
        let (ours, other) = (Authority::new(), Authority::new());
        let trusting = |authority: &Authority| format!("sslrootcert={}", authority.file().display());
        let (right, wrong) = (trusting(&ours), trusting(&other));
        let with_tls = server(&ours.sign("localhost", "DNS:localhost"));
        let without = Server::start(Options { tcp: true, ..Options::default() });
        for mode in ["", "sslmode=prefer"] {
            check_ours(
                &with_tls,
                &[
                    (&format!("host=localhost {mode} {right}"), "tls"),
                    (&format!("host=localhost {mode} {wrong}"), "an authority of"),
                ],
            );
            check_ours(&without, &[(&format!("host=localhost {mode} {right}"), "has no TLS")]);
        }
        check_ours(&without, &[(&format!("host=localhost sslmode=disable {right}"), "plain")]);

        // An authority in the default place is only consulted if the server has TLS.
        let person = Person::new();
        let home = person.home.path().join(".postgresql");
        std::fs::create_dir(&home).unwrap();
        std::fs::copy(other.file(), home.join("root.crt")).unwrap();
        let url =
            |server: &Server| format!("host=localhost port={} user=postgres dbname=postgres", server.port());
        let message = cause(person.connect(&url(&with_tls))).to_string();
        assert!(message.contains("an authority of") && !message.contains("before that"), "{message}");
        person.connect(&url(&without)).unwrap();
    }

    #[test]
    fn a_middleman_that_denies_tls_gets_nothing() {
        let ours = Authority::new();
        let server = server(&ours.sign("localhost", "DNS:localhost,IP:127.0.0.1"));
        let database = server.database();
        // The proxy answers N, because the socket behind it does.
        let between = Proxy::on_tcp(&database, vec![]);
        let root = format!("sslrootcert={}", ours.file().display());
        for mode in ["require", "verify-ca", "verify-full"] {
            let cause = cause(Person::new().connect(&format!("{}?sslmode={mode}&{root}", between.url())));
            assert!(matches!(&cause, Cause::Unfit(what) if what.contains("has no TLS")), "{mode}: {cause:?}");
        }
        // Not even a startup packet was sent.
        assert!(between.traffic().is_empty());
    }

    #[test]
    fn prefer_falls_back_to_plain_if_the_server_insists() {
        let ours = Authority::new();
        let server = server_with(
            &ours.sign("localhost", "DNS:localhost"),
            None,
            Some("hostssl all all all reject\nhost all all all trust"),
        );
        check(
            &server,
            &[
                ("host=localhost sslmode=prefer", "plain"),
                ("host=localhost sslmode=require", "pg_hba.conf rejects connection"),
            ],
        );
    }

    #[test]
    fn a_client_certificate_is_presented_on_request() {
        let ours = Authority::new();
        let server = server_with(
            &ours.sign("localhost", "DNS:localhost"),
            Some(&ours),
            Some("hostssl all all all cert"),
        );
        let (postgres, carol) = (ours.sign("postgres", ""), ours.sign("carol", ""));
        let with = |certificate: &Certificate| {
            let (file, key) = (certificate.file.display(), certificate.key.display());
            format!(
                "host=localhost sslmode=verify-full sslrootcert={} sslcert={file} sslkey={key}",
                ours.file().display()
            )
        };
        check(
            &server,
            &[
                (&with(&postgres), "tls"),
                (&format!("{} ssl_max_protocol_version=TLSv1.2", with(&postgres)), "tls"),
                (&with(&carol), "certificate authentication failed"),
                ("host=localhost sslmode=require", "valid client certificate"),
            ],
        );

        // In the default place.
        let person = Person::new();
        let home = person.home.path().join(".postgresql");
        std::fs::create_dir(&home).unwrap();
        std::fs::copy(&postgres.file, home.join("postgresql.crt")).unwrap();
        std::fs::copy(&postgres.key, home.join("postgresql.key")).unwrap();
        std::fs::copy(ours.file(), home.join("root.crt")).unwrap();
        let url = format!("host=localhost port={} user=postgres sslmode=verify-full", server.port());
        person.connect(&url).unwrap();

        set_mode(&home.join("postgresql.key"), 0o644);
        let message = person.target(&url).unwrap_err().to_string();
        assert!(message.contains("run chmod 6"), "{message}");
        std::fs::copy(&carol.key, home.join("postgresql.key")).unwrap();
        set_mode(&home.join("postgresql.key"), 0o600);
        let message = person.target(&url).unwrap_err().to_string();
        assert!(message.contains("cannot be used with the key"), "{message}");
    }

    #[test]
    fn a_password_can_be_bound_to_the_certificate() {
        let ours = Authority::new();
        let server = server_with(
            &ours.sign("localhost", "DNS:localhost"),
            None,
            Some("host all all all scram-sha-256"),
        );
        server.client("postgres").batch_execute("ALTER ROLE postgres PASSWORD 's3cr3t'").unwrap();
        check(
            &server,
            &[
                ("host=localhost password=s3cr3t channel_binding=require", "tls"),
                ("host=localhost password=s3cr3t channel_binding=require sslmode=disable", "channel binding"),
                ("host=localhost password=wrong", "(28P01)"),
            ],
        );
    }

    #[test]
    fn a_query_is_cancelled_over_tls() {
        let ours = Authority::new();
        let server =
            server_with(&ours.sign("localhost", "DNS:localhost"), None, Some("hostssl all all all trust"));
        let url = format!(
            "host=localhost port={} user=postgres sslmode=verify-full sslrootcert={}",
            server.port(),
            ours.file().display()
        );
        let target = Person::new().target(&url).unwrap();
        let mut client = target.connect("a test").unwrap();
        let token = client.cancel_token();
        let sleeper = std::thread::spawn(move || client.batch_execute("SELECT pg_sleep(60)").unwrap_err());
        crate::harness::wait_until("the query to end", || {
            target.cancel(&token).unwrap();
            sleeper.is_finished()
        });
        assert_eq!(sleeper.join().unwrap().code(), Some(&postgres::error::SqlState::QUERY_CANCELED));
    }
}
