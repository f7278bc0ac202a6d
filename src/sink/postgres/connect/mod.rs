//! Connecting as libpq does: whatever works in psql on this machine works here.
//!
//! The driver covers only a part of this. It knows no password file, no services and no environment
//! variables, and of TLS only whether to use it, so it rejects `sslmode=verify-full`. So this module reads
//! all the settings itself ([`Server::new`]) and gives the driver one host at a time, with one password and
//! one kind of TLS ([`Server::connect`]).
//!
//! Features of libpq that are missing here are refused, never skipped: a setting that was written down is
//! relied on. Deviations are deliberate where libpq is more trusting than its users expect: a file named for
//! `sslrootcert`, `sslcert` or `sslcrl` must exist, and a password file that others can read is an error.
//!
//! Nothing printable from this module contains a secret.

mod dial;
mod failure;
mod gather;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;

mod host;
mod line;
mod parameter;
mod passfile;
mod service;
mod string;
mod tls_settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::config::ChannelBinding;

pub use failure::{Cause, Failure, NotConnected, hostility};
use gather::gather;
use host::{Host, Printable, SOCKET_DIRECTORIES, hosts, set_passwords};
pub use line::Pulse;
use parameter::Parameters;
use tls_settings::{Authorities, Mode, TlsSettings};

use crate::error::{Error, Result};

/// A database, and everything needed to connect to it.
pub struct Server {
    hosts: Vec<Host>,
    hosts_are_shuffled: bool,
    user: String,
    database: String,
    application_name: Option<String>,
    options: Option<String>,
    session: Session,
    channel_binding: ChannelBinding,
    mode: Mode,
    authorities: Authorities,
    connector: Option<tls::Connector>,
    connect_timeout: Option<Duration>,
    tcp_user_timeout: Option<Duration>,
    keepalives: Option<Keepalives>,
}

/// Limits on connecting, and on a dead connection going unnoticed. The connection string and the environment
/// take precedence.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one attempt at one address, from the first packet to a working session.
    pub connect: Duration,
    /// For sent bytes that are not acknowledged.
    pub tcp_user: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connect: Duration::from_secs(10), tcp_user: Duration::from_secs(60) }
    }
}

impl Server {
    /// Determines where to connect from a connection string, the service file, the environment and the
    /// password file.
    ///
    /// Unless `is_shown`, no message quotes a value of the string. Reads files, but connects to nothing. An error is a usage error (exit code 2).
    pub fn new(
        url: &str,
        is_shown: bool,
        env: &dyn Fn(&str) -> Option<String>,
        limits: Limits,
    ) -> Result<Server> {
        let home = env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).or_else(std::env::home_dir);
        Server::resolve(url, is_shown, env, limits, home.as_deref(), &SOCKET_DIRECTORIES.map(Path::new))
    }

    fn resolve(
        url: &str,
        is_shown: bool,
        env: &dyn Fn(&str) -> Option<String>,
        limits: Limits,
        home: Option<&Path>,
        socket_directories: &[&Path],
    ) -> Result<Server> {
        let given = gather(url, is_shown, env, home)?;
        let user = match given.text("user") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|error| {
                Error::connection(format!(
                    "the name of the current user cannot be determined ({error}); give a user"
                ))
            })?,
        };
        let database = given.text("dbname").unwrap_or(&user).to_owned();
        let mut hosts = hosts(&given, socket_directories)?;
        set_passwords(&mut hosts, &given, home, socket_directories, &user, &database)?;

        let tls = TlsSettings::resolve(&given, home)?;
        let connector = connector(&given, &tls, &hosts)?;
        Ok(Server {
            hosts,
            hosts_are_shuffled: given
                .choice("load_balance_hosts", &[("disable", false), ("random", true)])?
                .unwrap_or(false),
            user,
            database,
            application_name: given
                .text("application_name")
                .or(given.text("fallback_application_name"))
                .map(str::to_owned),
            options: given.text("options").map(str::to_owned),
            session: given
                .choice(
                    "target_session_attrs",
                    &[
                        ("any", Session::Any),
                        ("read-write", Session::ReadWrite),
                        ("primary", Session::Primary),
                    ],
                )?
                .unwrap_or(Session::Any),
            channel_binding: given
                .choice(
                    "channel_binding",
                    &[
                        ("disable", ChannelBinding::Disable),
                        ("prefer", ChannelBinding::Prefer),
                        ("require", ChannelBinding::Require),
                    ],
                )?
                .unwrap_or(ChannelBinding::Prefer),
            mode: tls.mode,
            authorities: tls.authorities,
            connector,
            // As in libpq, zero or less means no limit.
            connect_timeout: match given.number::<i64>("connect_timeout")? {
                None => Some(limits.connect),
                Some(seconds) => u64::try_from(seconds).ok().filter(|&it| it > 0).map(Duration::from_secs),
            },
            tcp_user_timeout: match given.number::<u32>("tcp_user_timeout")? {
                None => Some(limits.tcp_user),
                Some(0) => None,
                Some(ms) => Some(Duration::from_millis(ms.into())),
            },
            keepalives: Keepalives::resolve(&given)?,
        })
    }

    /// The server for people: `host:port/database as user`.
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        format!("{}/{} as {}", hosts.join(","), Printable(&self.database), Printable(&self.user))
    }

    /// The bare names of its hosts: without ports, and sockets without their folders.
    pub fn names(&self) -> String {
        let names: Vec<String> = self.hosts.iter().map(Host::name).collect();
        names.join(",")
    }

    /// Its first host with port, as others name it, and the database.
    pub fn place(&self) -> (String, &str) {
        (self.hosts.first().map(Host::public).unwrap_or_default(), &self.database)
    }

    /// Whether a connection would cross a network to a host whose identity is not verified.
    ///
    /// That is libpq's default, and so the default here; but the user should be warned.
    pub fn is_unverified(&self) -> bool {
        self.mode < Mode::VerifyCa && self.hosts.iter().any(|host| !host.is_local())
    }
}

/// The TLS side of connections to these hosts, if they have one. Sockets have none, so if there are only
/// sockets its files are not read.
fn connector(given: &Parameters, tls: &TlsSettings, hosts: &[Host]) -> Result<Option<tls::Connector>> {
    match tls.mode {
        Mode::Disable => Ok(None),
        _ if hosts.iter().all(Host::is_socket) => Ok(None),
        mode => {
            tls.check(given, hosts)?;
            let connector = tls::Connector::new(tls)?;
            if connector.is_none() && mode > Mode::Prefer {
                return Err(Error::connection(format!(
                    "{} needs TLS, and this program was built without it; build it with the feature `tls`",
                    given.quote("sslmode")
                )));
            }
            Ok(connector)
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.describe())
    }
}

/// What a session must be capable of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Session {
    Any,
    ReadWrite,
    Primary,
}

/// How a dead peer is noticed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Keepalives {
    idle: Option<Duration>,
    interval: Option<Duration>,
    retries: Option<u32>,
}

impl Keepalives {
    /// A peer that vanishes in the middle of a wait is noticed within a minute; the system's default is two
    /// hours.
    fn resolve(given: &Parameters) -> Result<Option<Keepalives>> {
        if given.switch("keepalives")? == Some(false) {
            return Ok(None);
        }
        // Zero means the system's default.
        let seconds = |name, ours: u64| -> Result<Option<Duration>> {
            let seconds = given.number::<u32>(name)?.map_or(ours, u64::from);
            Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
        };
        Ok(Some(Keepalives {
            idle: seconds("keepalives_idle", 30)?,
            interval: seconds("keepalives_interval", 10)?,
            retries: Some(given.number("keepalives_count")?.unwrap_or(3)).filter(|&retries| retries > 0),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::host::Address;
    use super::*;

    /// A machine with an empty home and an empty directory of sockets.
    struct Machine {
        root: tempfile::TempDir,
        env: Vec<(&'static str, String)>,
    }

    impl Machine {
        fn new() -> Machine {
            let root = tempfile::tempdir().expect("a directory");
            for directory in ["home/.postgresql", "sockets"] {
                fs::create_dir_all(root.path().join(directory)).expect("made");
            }
            Machine { root, env: vec![("PGUSER", "me".to_owned())] }
        }

        fn with_env(mut self, name: &'static str, value: impl Into<String>) -> Machine {
            self.env.push((name, value.into()));
            self
        }

        fn with_file(self, name: &str, content: &str) -> Machine {
            let path = self.path(name);
            fs::write(&path, content).expect("written");
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
            self
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn try_server(&self, url: &str) -> Result<Server> {
            let env = |name: &str| {
                self.env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.clone())
            };
            let (home, sockets) = (self.path("home"), self.path("sockets"));
            Server::resolve(url, true, &env, Limits::default(), Some(&home), &[&sockets])
        }

        fn server(&self, url: &str) -> Server {
            self.try_server(url).unwrap_or_else(|error| panic!("{url}: {error}"))
        }

        fn complaint(&self, url: &str) -> String {
            self.try_server(url).err().unwrap_or_else(|| panic!("{url} was taken")).to_string()
        }
    }

    #[test]
    fn hosts_ports_and_names_have_libpqs_defaults() {
        let machine = Machine::new();
        for (url, expected) in [
            ("", "localhost:5432/me as me"),
            ("postgres://", "localhost:5432/me as me"),
            ("postgres://db/app", "db:5432/app as me"),
            ("postgres://you@db", "db:5432/you as you"),
            ("postgres://db:6432/app", "db:6432/app as me"),
            ("postgres://a,b:6432,[::1]/app", "a:5432,b:6432,[::1]:5432/app as me"),
            ("postgres://a,b/app?port=6432", "a:6432,b:6432/app as me"),
            ("host=a,b port=1", "a:1,b:1/me as me"),
            ("host=a,b port=1,", "a:1,b:5432/me as me"),
            ("host=a, port=1,2", "a:1,localhost:2/me as me"),
            ("hostaddr=10.0.0.1", "10.0.0.1:5432/me as me"),
            ("hostaddr=fe80::1", "[fe80::1]:5432/me as me"),
            ("host=db hostaddr=10.0.0.1", "db:5432/me as me"),
            ("postgres://%2Ftmp%2Fx:1/app", "/tmp/x:1/app as me"),
            ("postgres:///app?host=/tmp/x", "/tmp/x:5432/app as me"),
            ("host=a\u{1b}[2J", "a\\u{1b}[2J:5432/me as me"),
        ] {
            assert_eq!(machine.server(url).describe(), expected, "{url}");
        }
    }

    #[test]
    fn without_a_host_the_socket_of_this_machine_is_taken_if_there_is_one() {
        let machine = Machine::new().with_file("sockets/.s.PGSQL.6432", "");
        let sockets = machine.path("sockets").display().to_string();
        assert_eq!(machine.server("port=6432").describe(), format!("{sockets}:6432/me as me"));
        assert_eq!(machine.server("port=5432").describe(), "localhost:5432/me as me");
    }

    #[test]
    fn without_a_user_it_is_that_of_the_system() {
        let machine = Machine { env: Vec::new(), ..Machine::new() };
        let us = whoami::username().expect("somebody");
        assert_eq!(machine.server("host=db").describe(), format!("db:5432/{us} as {us}"));
    }

    #[test]
    fn every_variable_of_the_environment_is_read() {
        let machine = Machine::new()
            .with_env("PGHOST", "db")
            .with_env("PGHOSTADDR", "10.0.0.1")
            .with_env("PGPORT", "6432")
            .with_env("PGDATABASE", "app")
            .with_env("PGPASSWORD", "s3cr3t")
            .with_env("PGSSLMODE", "disable")
            .with_env("PGAPPNAME", "mine")
            .with_env("PGCONNECT_TIMEOUT", "3")
            .with_env("PGOPTIONS", "-c work_mem=1MB")
            .with_env("PGTARGETSESSIONATTRS", "read-write")
            .with_env("PGCHANNELBINDING", "disable");
        let server = machine.server("");
        assert_eq!(server.describe(), "db:6432/app as me");
        let ip = Some("10.0.0.1".parse().expect("an address"));
        assert_eq!(server.hosts[0].address, Address::Network { name: "db".to_owned(), ip });
        assert_eq!(server.hosts[0].password.as_deref(), Some(&b"s3cr3t"[..]));
        assert_eq!(server.mode, Mode::Disable);
        assert_eq!(server.application_name.as_deref(), Some("mine"));
        assert_eq!(server.connect_timeout, Some(Duration::from_secs(3)));
        assert_eq!(server.options.as_deref(), Some("-c work_mem=1MB"));
        assert_eq!(server.session, Session::ReadWrite);
        assert_eq!(server.channel_binding, ChannelBinding::Disable);
    }

    #[test]
    fn a_dead_peer_is_noticed_unless_the_settings_say_otherwise() {
        let machine = Machine::new();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let server = machine.server("");
        assert_eq!((server.connect_timeout, server.tcp_user_timeout), (seconds(10), seconds(60)));
        let ours = Keepalives { idle: seconds(30), interval: seconds(10), retries: Some(3) };
        assert_eq!(server.keepalives, Some(ours));

        let server = machine.server(
            "connect_timeout=0 tcp_user_timeout=1500 keepalives_idle=5 keepalives_interval=0 keepalives_count=9",
        );
        assert_eq!(
            (server.connect_timeout, server.tcp_user_timeout),
            (None, Some(Duration::from_millis(1500)))
        );
        let theirs = Keepalives { idle: seconds(5), interval: None, retries: Some(9) };
        assert_eq!(server.keepalives, Some(theirs));
        assert_eq!(machine.server("keepalives=0").keepalives, None);
    }

    #[test]
    fn each_host_has_its_own_line_in_the_password_file() {
        let machine = Machine::new().with_file("sockets/.s.PGSQL.1", "").with_file(
            "home/.pgpass",
            "a:1:*:*:one\nb:*:*:me:two\nlocalhost:*:*:*:here\n10.0.0.1:*:*:*:ip\n/x:*:*:*:socket\n",
        );
        let sockets = machine.path("sockets").display().to_string();
        for (url, expected) in [
            ("host=a,b,c port=1", &[Some("one"), Some("two"), None][..]),
            ("host=a port=2", &[None]),
            ("host=a port=1 password=mine", &[Some("mine")]),
            ("host=a port=1 password=''", &[Some("one")]),
            ("port=1", &[Some("here")]),
            (&format!("host={sockets}"), &[Some("here")]),
            ("host=localhost", &[Some("here")]),
            ("hostaddr=10.0.0.1", &[Some("ip")]),
            ("host=b hostaddr=10.0.0.1", &[Some("two")]),
            ("host=/x", &[Some("socket")]),
            ("host=a port=1 passfile=/dev/null", &[None]),
        ] {
            let server = machine.server(url);
            let passwords: Vec<_> = server.hosts.iter().map(|host| host.password.as_deref()).collect();
            let expected: Vec<_> = expected.iter().map(|password| password.map(str::as_bytes)).collect();
            assert_eq!(passwords, expected, "{url}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let machine = Machine::new();
        for (url, expected) in [
            ("host=a,b port=1,2,3", "there are 3 ports for 2 hosts"),
            ("host=a,b hostaddr=10.0.0.1", "must name equally many hosts"),
            ("hostaddr=db", "hostaddr \"db\" in the connection string must be an IP address"),
            ("port=0", "a number from 1 to 65535"),
            ("postgres://me:s3cr3t", "user:password are followed by an @"),
            ("host=@abstract", "abstract sockets"),
            ("sslmode=allow", "use prefer, or better verify-full"),
            ("sslmode=verify_full", "must be one of disable, prefer, require, verify-ca, verify-full"),
            ("target_session_attrs=standby", "must be one of any, read-write, primary"),
            ("connect_timeout=soon", "must be a whole number"),
        ] {
            let message = machine.complaint(url);
            assert!(message.contains(expected) && !message.contains("s3cr3t"), "{url}: {message}");
        }
    }

    #[test]
    fn a_password_is_in_nothing_that_can_be_printed() {
        let machine = Machine::new().with_file("home/.pgpass", "*:*:*:*:s3cr3t\n");
        for url in ["postgres://me:s3cr3t@db/app", "host=db password=s3cr3t", "host=db"] {
            let server = machine.server(url);
            assert_eq!(server.hosts[0].password.as_deref(), Some(&b"s3cr3t"[..]));
            for text in [format!("{server:?}"), format!("{server:#?}"), server.describe()] {
                assert!(!text.contains("s3cr3t"), "{text}");
            }
        }
    }

    #[test]
    fn a_target_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Server>();
    }

    #[test]
    fn a_connection_over_a_network_is_unverified_unless_somebody_vouches() {
        let machine = Machine::new();
        for (url, unverified) in [
            ("host=db", true),
            ("host=db sslmode=disable", true),
            ("host=db hostaddr=127.0.0.1", false),
            ("host=localhost hostaddr=10.0.0.1", true),
            ("host=localhost,db", true),
            ("host=localhost,::1,127.0.0.9,/tmp", false),
        ] {
            assert_eq!(machine.server(url).is_unverified(), unverified, "{url}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_what_needs_it_is_refused() {
        let machine = Machine::new().with_file("home/.postgresql/root.crt", "");
        for mode in ["require", "verify-ca", "verify-full"] {
            let message = machine.complaint(&format!("host=db sslmode={mode}"));
            assert!(message.contains("built without it"), "{message}");
        }
        machine.server("host=db sslmode=prefer");
    }

    #[test]
    fn the_ways_to_verify_are_libpqs() {
        let bare = Machine::new();
        let settings = |machine: &Machine, text: &str| {
            let given = gather(text, true, &|_| None, None).expect("gathered");
            TlsSettings::resolve(&given, Some(&machine.path("home"))).expect("resolved")
        };
        assert_eq!(settings(&bare, "").mode, Mode::Prefer);
        assert_eq!(settings(&bare, "sslmode=require").mode, Mode::Require);
        assert_eq!(settings(&bare, "sslmode=require sslrootcert=/x").mode, Mode::VerifyCa);
        // Beyond libpq: named authorities are never bypassed.
        assert_eq!(settings(&bare, "sslmode=prefer sslrootcert=/x").mode, Mode::VerifyCa);
        assert_eq!(settings(&bare, "sslrootcert=/x").mode, Mode::VerifyCa);
        assert_eq!(settings(&bare, "sslmode=disable sslrootcert=/x").mode, Mode::Disable);
        assert_eq!(settings(&bare, "sslrootcert=system").mode, Mode::VerifyFull);
        assert_eq!(settings(&bare, "sslrootcert=system").authorities, Authorities::System);
        assert_eq!(settings(&bare, "sslmode=verify-full").mode, Mode::VerifyFull);

        let furnished = Machine::new()
            .with_file("home/.postgresql/root.crt", "")
            .with_file("home/.postgresql/root.crl", "")
            .with_file("home/.postgresql/postgresql.crt", "");
        let usual = settings(&furnished, "sslmode=require");
        let home = furnished.path("home/.postgresql");
        assert_eq!(usual.mode, Mode::VerifyCa);
        assert_eq!(settings(&furnished, "").mode, Mode::Prefer);
        assert_eq!(usual.authorities, Authorities::File(home.join("root.crt")));
        assert_eq!(usual.revoked, Some(home.join("root.crl")));
        assert_eq!(usual.certificate, Some((home.join("postgresql.crt"), home.join("postgresql.key"))));
        assert_eq!(settings(&furnished, "sslkey=/k").certificate.map(|pair| pair.1), Some("/k".into()));
    }

    #[test]
    fn weak_or_empty_verification_is_refused_before_anything_is_sent() {
        let machine = Machine::new();
        for (url, expected) in [
            ("host=db sslmode=verify-full", "needs to know whom to trust"),
            ("host=db sslmode=verify-ca", "needs to know whom to trust"),
            ("host=db sslmode=require sslrootcert=system", "too weak for sslrootcert=system"),
            ("host=db sslmode=require sslcrl=/x", "needs sslrootcert"),
            ("hostaddr=10.0.0.1 sslmode=verify-full sslrootcert=/x", "give a host beside the hostaddr"),
            ("host=db ssl_max_protocol_version=TLSv1.1", "leave neither TLSv1.2 nor TLSv1.3"),
        ] {
            let message = machine.complaint(url);
            assert!(message.contains(expected), "{url}: {message}");
        }
        // A socket has no TLS, whatever is asked for.
        machine.server("host=/tmp sslmode=verify-full");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn files_that_were_named_must_be_there_and_be_what_they_should() {
        let machine = Machine::new()
            .with_file("empty", "")
            .with_file("damaged", "-----BEGIN CERTIFICATE-----\ns3cr3t!\n-----END CERTIFICATE-----\n")
            .with_file("other", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let at = |name: &str| machine.path(name).display().to_string();
        for (settings, expected) in [
            (format!("sslmode=require sslrootcert={}", at("absent")), "cannot read"),
            (format!("sslmode=verify-ca sslrootcert={}", at("empty")), "no certificate in"),
            (format!("sslmode=verify-ca sslrootcert={}", at("damaged")), "is damaged"),
            (format!("sslmode=verify-ca sslrootcert={}", at("other")), "no usable certificate"),
            (format!("sslcert={}", at("absent")), "cannot read"),
        ] {
            let message = machine.complaint(&format!("host=db {settings}"));
            assert!(message.contains(expected) && !message.contains("s3cr3t"), "{settings}: {message}");
        }
    }
}
