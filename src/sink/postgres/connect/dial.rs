//! Dialling: one host after the other, each of its addresses, with TLS and perhaps without.
//!
//! The driver only bounds the creation of a socket. A server, or a proxy in front of it, that accepts and
//! then says nothing would hold it forever, and the synchronous client cannot be interrupted. So every
//! attempt runs on its own thread, which is abandoned if it takes too long: it holds a socket and a few
//! kilobytes, and ends when the other side or the process does.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use postgres::config::{Config, SslMode, SslNegotiation};
use postgres::error::SqlState;
use postgres::{CancelToken, Client, SimpleQueryMessage};

use super::failure::{Cause, Failure, IS_IT_RUNNING, NotConnected, said};
use super::host::{Address, Host};
use super::line::{Line, Pulse};
use super::tls_settings::{Authorities, Mode};
use super::{Server, Session, tls};

impl Server {
    /// Connects to the first host that answers and satisfies the settings.
    ///
    /// The server sees `application_name`, unless the settings give another name. Each attempt is bounded by
    /// the connect timeout; the whole by that times the number of addresses.
    pub fn connect(&self, application_name: &str) -> Result<Client, NotConnected> {
        self.connect_watched(application_name, &Arc::default())
    }

    /// The same. Bytes over the network count as life in `pulse`, which can also break the connection off.
    pub fn connect_watched(
        &self,
        application_name: &str,
        pulse: &Arc<Pulse>,
    ) -> Result<Client, NotConnected> {
        let mut order: Vec<&Host> = self.hosts.iter().collect();
        if self.hosts_are_shuffled {
            fastrand::shuffle(&mut order);
        }
        let mut failures = Vec::new();
        for host in order {
            match self.connect_host(host, application_name, pulse) {
                Ok(client) => return Ok(client),
                Err(cause) => {
                    // Credentials are the same for all hosts; and a wrong password that is sent to ten hosts
                    // locks ten accounts.
                    let last = cause.is_about_us();
                    failures.push(Failure { place: host.to_string(), cause });
                    if last {
                        break;
                    }
                }
            }
        }
        Err(NotConnected::new(self.describe(), failures))
    }

    /// Asks the server to cancel what the session of `token` is doing. Opens a connection for it; success
    /// does not mean that anything was cancelled.
    pub fn cancel(&self, token: &CancelToken) -> Result<(), postgres::Error> {
        token.cancel_query(self.line(&Arc::default()))
    }

    /// A line that sends no password where others can read it.
    fn line(&self, pulse: &Arc<Pulse>) -> Line {
        Line {
            connector: self.connector.clone(),
            may_be_plain: self.mode == Mode::Prefer,
            may_tell_password: false,
            pulse: Arc::clone(pulse),
        }
    }

    fn connect_host(&self, host: &Host, application_name: &str, pulse: &Arc<Pulse>) -> Result<Client, Cause> {
        let line =
            Line { may_tell_password: self.mode == Mode::Disable || host.is_local(), ..self.line(pulse) };
        let config = self.config(host, application_name);
        self.connect_address(host, config, line).map_err(|cause| match cause {
            Cause::Refused { sqlstate, message }
                if sqlstate == SqlState::INVALID_PASSWORD && host.password.is_some() =>
            {
                let message = format!("{message}; the password is the one {}", host.password_origin);
                Cause::Refused { sqlstate, message }
            }
            cause => cause,
        })
    }

    fn connect_address(&self, host: &Host, config: Config, line: Line) -> Result<Client, Cause> {
        match &host.address {
            Address::Socket(directory) => {
                let mut config = config;
                config.host_path(directory).ssl_mode(SslMode::Disable);
                self.attempt(config, line).map_err(|cause| match cause {
                    Cause::Unreached(what) => Cause::Unreached(format!(
                        "{} (socket {}); is the server running?",
                        what.trim_end_matches(IS_IT_RUNNING),
                        directory.join(format!(".s.PGSQL.{}", host.port)).display()
                    )),
                    cause => cause,
                })
            }
            Address::Network { name, ip } => {
                let addresses = match ip {
                    Some(ip) => vec![SocketAddr::new(*ip, host.port)],
                    None => self.look_up(name, host.port)?,
                };
                let mut outcome =
                    Err(Cause::Unreached(format!("the name {name:?} has no address (is it spelt right?)")));
                for address in addresses {
                    let mut config = config.clone();
                    // The line requests TLS, not the driver.
                    config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
                    config.hostaddr(address.ip());
                    // The name that the certificate must have.
                    if name.is_empty() {
                        config.host(&address.ip().to_string())
                    } else {
                        config.host(name)
                    };
                    outcome = self.attempt_by_mode(&config, &line);
                    match &outcome {
                        Err(cause) if !cause.is_about_us() => {}
                        _ => break,
                    }
                }
                outcome
            }
        }
    }

    fn config(&self, host: &Host, application_name: &str) -> Config {
        let mut config = Config::new();
        config
            .user(&self.user)
            .dbname(&self.database)
            .port(host.port)
            .application_name(self.application_name.as_deref().unwrap_or(application_name))
            .channel_binding(self.channel_binding)
            .keepalives(self.keepalives.is_some());
        if let Some(password) = &host.password {
            config.password(password);
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        if let Some(timeout) = self.connect_timeout {
            config.connect_timeout(timeout);
        }
        if let Some(timeout) = self.tcp_user_timeout {
            config.tcp_user_timeout(timeout);
        }
        if let Some(keepalives) = self.keepalives {
            if let Some(idle) = keepalives.idle {
                config.keepalives_idle(idle);
            }
            if let Some(interval) = keepalives.interval {
                config.keepalives_interval(interval);
            }
            if let Some(retries) = keepalives.retries {
                config.keepalives_retries(retries);
            }
        }
        config
    }

    fn look_up(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Cause> {
        let name = name.to_owned();
        let limit = self.connect_timeout;
        within(limit, move || (name.as_str(), port).to_socket_addrs().map(Iterator::collect))?.map_err(
            |error: io::Error| Cause::Unreached(format!("{} (is the name of the host right?)", said(&error))),
        )
    }

    /// `prefer` tries TLS first and falls back to a plain connection if TLS fails or the server rejects the
    /// login over it, unless an authority vouches for the server. The other modes make one attempt.
    fn attempt_by_mode(&self, config: &Config, line: &Line) -> Result<Client, Cause> {
        let first = match self.attempt(config.clone(), line.clone()) {
            Err(first) if is_mended_without_tls(&first) => first,
            decided => return decided,
        };
        if self.connector.is_none() || self.mode != Mode::Prefer || self.authorities != Authorities::None {
            return Err(first);
        }
        let line = Line { connector: None, ..line.clone() };
        self.attempt(config.clone(), line).map_err(|cause| cause.after(&first))
    }

    fn attempt(&self, config: Config, line: Line) -> Result<Client, Cause> {
        let session = self.session;
        let password = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        let outcome = within(self.connect_timeout, move || {
            let mut client = config.connect(line)?;
            let lack = lack(session, &mut client)?;
            Ok((client, lack))
        })?;
        match outcome {
            Ok((client, None)) => Ok(client),
            Ok((_, Some(lack))) => Err(Cause::ReadOnly(lack.to_owned())),
            Err(error) => {
                let cause = Cause::of(&error, |error| tls::explain(error, &self.authorities));
                // The peer has received the password, and must not be able to make logmill print it.
                Err(cause.without(password.as_deref().unwrap_or_default()))
            }
        }
    }
}

/// libpq falls back after a wrong password too, but it would be wrong again.
fn is_mended_without_tls(cause: &Cause) -> bool {
    match cause {
        Cause::Unfit(_) => true,
        Cause::Refused { sqlstate, .. } => *sqlstate == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        _ => false,
    }
}

/// What a session lacks of what was asked for.
fn lack(session: Session, client: &mut Client) -> Result<Option<&'static str>, postgres::Error> {
    let (question, bad_answer, lack) = match session {
        Session::Any => return Ok(None),
        Session::ReadWrite => ("SHOW transaction_read_only", "on", "the server takes no writes"),
        Session::Primary => ("SELECT pg_catalog.pg_is_in_recovery()", "t", "the server is a standby"),
    };
    let answer = client.simple_query(question)?;
    let is_bad = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some(bad_answer),
        _ => false,
    });
    Ok(is_bad.then_some(lack))
}

/// Runs `work` on its own thread and waits for it up to the limit.
fn within<T: Send + 'static>(
    limit: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Cause> {
    let (done, result) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new().name("connect".to_owned()).spawn(move || {
        // A late result has no receiver: the client is dropped, which closes the connection.
        let _ = done.send(work());
    });
    if let Err(error) = spawned {
        return Err(Cause::Unreached(format!("no thread to connect on: {error}")));
    }
    match limit {
        None => result.recv().map_err(|_| None),
        Some(limit) => result.recv_timeout(limit).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => Some(limit),
            mpsc::RecvTimeoutError::Disconnected => None,
        }),
    }
    .map_err(|late| match late {
        Some(limit) => {
            Cause::Unreached(format!("no answer within {} s (connect_timeout: is the address right, and does a firewall let us through?)", limit.as_secs_f64()))
        }
        None => Cause::Unreached("connecting failed in an unexpected way".to_owned()),
    })
}
