//! Hostile servers: each costs a moment and is reported.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Person, cause};
use crate::harness::impostor::{Impostor, announced, complaint, let_in, message};
use crate::harness::load::Load;
use crate::harness::postgres::{Options, Server};
use crate::harness::proxy::read_message;
use logmill::sink::postgres::connect::Cause;

/// Longer than any of these cases takes on a busy machine, and shorter than the timeouts that would
/// otherwise end them.
const SOON: Duration = Duration::from_secs(8);

/// Connects to a server that sends one message before the login and then another one forever.
fn met_with(first: Vec<u8>, says: Vec<u8>) -> String {
    let impostor = Impostor::new(move |client| {
        client.write_all(&first)?;
        loop {
            client.write_all(&says)?;
        }
    });
    let since = Instant::now();
    let cause = cause(Person::new().connect(&impostor.url("127.0.0.1")));
    assert!(since.elapsed() < SOON, "{:?}: {cause}", since.elapsed());
    assert!(matches!(cause, Cause::Hostile(_)), "{cause:?}");
    cause.to_string()
}

#[test]
fn endless_messages_before_the_login_are_cut_short() {
    let (long, known) = (vec![b'x'; 60_000], message(b'R', &[0; 4]));
    for (what, first, says) in [
        ("a message of 2 GB", vec![], announced(b'E', i32::MAX as usize)),
        ("a message of no length", vec![], announced(b'E', 0)),
        ("an error of 64 MB", vec![], [announced(b'E', 64 << 20), long.clone()].concat()),
        ("notices", known.clone(), complaint(b'N', "00000", "anything")),
        ("parameters", known, message(b'S', &[&long[..], b"\0on\0"].concat())),
        ("another protocol", vec![], b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
    ] {
        let told = met_with(first, says);
        assert!(told.contains("is it a PostgreSQL server?"), "{what}: {told}");
    }
}

#[test]
fn a_password_is_never_sent_in_clear_over_a_readable_line() {
    for (kind, name) in [(3_u32, "in clear text"), (5, "by MD5")] {
        let (heard, told) = std::sync::mpsc::channel();
        let impostor = Impostor::new(move |client| {
            client.write_all(&message(
                b'R',
                &[&kind.to_be_bytes()[..], b"salt"].concat()[..if kind == 3 { 4 } else { 8 }],
            ))?;
            let answer = read_message(client);
            let _ = heard.send(answer.is_ok_and(|(kind, _)| kind == b'p'));
            Ok(())
        });
        for (host, settings, is_told) in [
            // An address of this machine that is not known to be one.
            ("0.0.0.0", "", false),
            ("0.0.0.0", "?sslmode=prefer", false),
            ("0.0.0.0", "?sslmode=disable", true),
            ("127.0.0.1", "", true),
        ] {
            let outcome = Person::new().connect(&(impostor.url(host) + settings));
            let cause = cause(outcome);
            assert_eq!(told.recv_timeout(SOON).unwrap(), is_told, "{name}, {host}{settings}: {cause}");
            assert_eq!(cause.to_string().contains("asks for the password"), !is_told, "{cause}");
        }
    }
}

#[test]
fn a_password_repeated_by_the_server_is_masked() {
    let impostor = Impostor::new(move |client| {
        client.write_all(&message(b'R', &3_u32.to_be_bytes()))?;
        let (_, heard) = read_message(client)?;
        // After the type and the length.
        let password = String::from_utf8_lossy(&heard[5..]).trim_end_matches('\0').to_owned();
        client.write_all(&complaint(b'E', "28P01", &format!("wrong: {password}")))
    });
    let cause = cause(Person::new().connect(&impostor.url("127.0.0.1"))).to_string();
    assert!(cause.contains("wrong: ***") && !cause.contains("s3cr3t"), "{cause}");
}

#[test]
fn unsolicited_messages_are_dropped_and_then_end_the_connection() {
    for unasked in [
        complaint(b'N', "00000", "anything"),
        message(b'A', b"\0\0\0\x01channel\0payload\0"),
        message(b'S', b"name\0value\0"),
    ] {
        let flood = unasked.repeat(1000);
        let impostor = Impostor::new(move |client| {
            let_in(client)?;
            loop {
                client.write_all(&flood)?;
            }
        });
        let load = Load::of("{}").field("a = \"text\"");
        let since = Instant::now();
        load.call().into(&impostor.url("127.0.0.1")).run().exit(1).says("for which nobody asked");
        assert!(since.elapsed() < SOON * 2, "{:?}", since.elapsed());
    }
}

#[test]
fn a_warning_per_row_is_not_taken_for_a_flood() {
    let server = Server::start(Options { tcp: true, ..Options::default() });
    let records: String = (0..10_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let load = Load::of(records).schema("n int").on(&server).given(
        "CREATE TABLE t (n bigint, {key});
         CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             FOR i IN 1..12 LOOP RAISE WARNING 'this row is number % of all that are looked at', NEW.n; END LOOP;
             RETURN NULL;
         END $$;
         CREATE TRIGGER warn AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION warn()",
    );
    // 120,000 notices after the last row of one COPY.
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", server.port(), load.database().name());
    load.call().into(&url).run().exit(0);
    assert_eq!(load.ask::<i64>("SELECT count(*) FROM t"), 10_000);
}

#[test]
fn an_endless_answer_is_abandoned() {
    let flood = row(&[&[b'x'; 60_000]]).repeat(10);
    let impostor = Impostor::new(move |client| {
        let_in(client)?;
        while read_message(client)?.0 != b'Q' {}
        client.write_all(&columns(&[25]))?;
        loop {
            client.write_all(&flood)?;
        }
    });
    let load = Load::of("{}").field("a = \"text\"").pipeline("retry_for = \"1s\"");
    let since = Instant::now();
    // `target_session_attrs` makes the client ask whether the server accepts writes.
    let url = impostor.url("127.0.0.1") + "?target_session_attrs=read-write";
    load.call().into(&url).run().exit(1).says("in one answer");
    assert!(since.elapsed() < SOON * 2, "{:?}", since.elapsed());
}

#[test]
fn impossible_answers_are_errors_and_not_panics() {
    let ready = message(b'Z', b"I");
    let then_ready = |answer: Vec<u8>| [answer, ready.clone()].concat();
    for (what, answer) in [
        ("a code of one letter", then_ready(complaint(b'E', "2", "odd"))),
        ("a code of other letters", then_ready(complaint(b'E', "ééé", "odd"))),
        ("a code that is none", then_ready(complaint(b'E', "", "odd"))),
        ("a message of 2 GB", announced(b'D', i32::MAX as usize)),
        ("nothing", ready.clone()),
        (
            "rows of nothing",
            then_ready(
                [message(b'T', &[0, 0]), message(b'D', &[0, 0]), message(b'C', b"SELECT 1\0")].concat(),
            ),
        ),
        ("no words at all", message(b'?', b"")),
    ] {
        let impostor = Impostor::answering(answer);
        let load = Load::of("{}").field("a = \"text\"").pipeline("retry_for = \"1s\"");
        let ended = load.call().into(&impostor.url("127.0.0.1")).run();
        assert!(matches!(ended.code(), Some(1 | 2 | 4 | 5)), "{what}: {:?}", ended.code());
        ended.never_says("panicked");
    }
}

/// The description of columns with these types.
fn columns(types: &[u32]) -> Vec<u8> {
    let count = u16::try_from(types.len()).unwrap().to_be_bytes().to_vec();
    let column =
        |oid: &u32| [b"c\0", &[0; 6][..], &oid.to_be_bytes(), &[0xff; 2], &[0xff; 4], &[0, 1]].concat();
    message(b'T', &[count, types.iter().flat_map(column).collect()].concat())
}

/// A row with these values.
fn row(values: &[&[u8]]) -> Vec<u8> {
    let count = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    let value = |value: &&[u8]| [&u32::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat();
    message(b'D', &[count, values.iter().flat_map(value).collect()].concat())
}

/// A server that answers the queries it knows properly and every other one with a single boolean.
fn answering_amiss(known: usize) -> Impostor {
    Impostor::new(move |client| {
        let_in(client)?;
        let pid = client.peer_addr()?.port().to_string();
        let (mut sql, mut answer) = (String::new(), Vec::new());
        let types_and_row = |sql: &str| match sql {
            sql if sql.contains("current_schemas") && known > 0 => {
                (columns(&[1003]), row(&[&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 19]]))
            }
            sql if sql.contains("pg_stat_get_activity") && known > 1 => {
                (columns(&[23, 20]), row(&[&[0; 4], &[0; 8]]))
            }
            _ => (columns(&[16]), row(&[&[0]])),
        };
        loop {
            let (kind, said) = read_message(client)?;
            match kind {
                b'P' => sql = String::from_utf8_lossy(&said).into_owned(),
                b'D' => answer
                    .extend([message(b'1', b""), message(b't', &[0, 0]), types_and_row(&sql).0].concat()),
                b'B' => answer.extend(message(b'2', b"")),
                b'E' => answer.extend([types_and_row(&sql).1, message(b'C', b"SELECT 1\0")].concat()),
                b'C' => answer.extend(message(b'3', b"")),
                b'S' => client.write_all(&[std::mem::take(&mut answer), message(b'Z', b"I")].concat())?,
                b'Q' if said[5..].starts_with(b"SELECT") => {
                    let rows = [
                        columns(&[25]),
                        row(&[pid.as_bytes()]),
                        message(b'C', b"SELECT 1\0"),
                        message(b'Z', b"I"),
                    ];
                    client.write_all(&rows.concat())?;
                }
                b'Q' => client.write_all(&[message(b'C', b"SET\0"), message(b'Z', b"I")].concat())?,
                _ => return Ok(()),
            }
        }
    })
}

#[test]
fn rows_of_another_shape_are_an_error_and_not_a_panic() {
    for known in [0, 1, 2] {
        let impostor = answering_amiss(known);
        let load = Load::of("{}").field("a = \"text\"").pipeline("retry_for = \"1s\"");
        load.call().into(&impostor.url("127.0.0.1")).run().exit(1).never_says("panicked").never_says("a bug");
        for command in ["plan", "status", "dead-letters list"] {
            let mut process = crate::harness::logmill();
            process.args(command.split(' ')).arg("-j").arg(load.path("job.toml"));
            let output = process.args(["--into", &impostor.url("127.0.0.1")]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code().is_some(), "{command}: {:?}", output.status);
            assert!(!said.contains("panicked"), "{command}: {said}");
        }
    }
}

#[test]
fn every_command_warns_of_a_readable_connection_at_every_verbosity() {
    let impostor = Impostor::answering(complaint(b'E', "57P03", "later"));
    let url = impostor.url("0.0.0.0");
    let load = Load::of("{}").field("a = \"text\"").pipeline("retry_for = \"1s\"");
    load.call().into(&url).run();
    for command in
        ["load -q", "load", "plan -q", "status", "status -q", "dead-letters list", "forget --id 1 -q"]
    {
        let mut process = crate::harness::logmill();
        process.args(command.split(' ')).arg("-j").arg(load.path("job.toml")).args(["--into", &url]);
        let said = String::from_utf8(process.output().unwrap().stderr).unwrap();
        assert!(said.contains("is not verified"), "{command}: {said}");
    }
}
