//! The parent run, from the environment.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// The fields of the parent facet: from `OPENLINEAGE_PARENT_ID`, which is `namespace/job/run`; or from what
/// Airflow tells a task about itself.
pub(super) fn of(variable: &dyn Fn(&str) -> Option<String>) -> Option<Value> {
    if let Some(parent) = variable("OPENLINEAGE_PARENT_ID") {
        // A namespace may contain slashes.
        let (rest, run) = parent.rsplit_once('/')?;
        let (namespace, job) = rest.rsplit_once('/')?;
        let run = Uuid::parse_str(run).ok()?;
        return Some(parent_of(namespace, job, run));
    }
    let (dag, task) = (variable("AIRFLOW_CTX_DAG_ID")?, variable("AIRFLOW_CTX_TASK_ID")?);
    let when = variable("AIRFLOW_CTX_LOGICAL_DATE").or_else(|| variable("AIRFLOW_CTX_EXECUTION_DATE"))?;
    let when = DateTime::parse_from_rfc3339(&when).ok()?;
    let namespace = variable("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| "default".to_owned());
    let attempt = variable("AIRFLOW_CTX_TRY_NUMBER").unwrap_or_else(|| "1".to_owned());
    // A task that is not mapped has this index.
    let index = variable("AIRFLOW_CTX_MAP_INDEX").unwrap_or_else(|| "-1".to_owned());
    let data = format!("{namespace}.{dag}.{task}.{attempt}.{index}");
    Some(parent_of(&namespace, &format!("{dag}.{task}"), static_id(when.to_utc(), &data)))
}

fn parent_of(namespace: &str, job: &str, run: Uuid) -> Value {
    json!({"run": {"runId": run.to_string()}, "job": {"namespace": namespace, "name": job}})
}

/// The id that OpenLineage's own library derives from a time and a text: a UUID of version 7 of the time,
/// with the first bits of a SHA-1 in place of the random ones.
fn static_id(when: DateTime<Utc>, text: &str) -> Uuid {
    let digits = match when.timestamp_subsec_micros() {
        0 => SecondsFormat::Secs,
        _ => SecondsFormat::Micros,
    };
    let digest = sha1(format!("{}{text}", when.to_rfc3339_opts(digits, false)).as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    // 76 bits.
    let hash = u128::from_be_bytes(first) >> 52;
    let mut random = [0; 10];
    random.copy_from_slice(&hash.to_be_bytes()[6..]);
    let ms = u64::try_from(when.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

/// SHA-1; nothing here relies on it for security.
fn sha1(text: &[u8]) -> [u8; 20] {
    let mut message = text.to_vec();
    message.push(0x80);
    message.resize((message.len() + 8).next_multiple_of(64) - 8, 0);
    message.extend((text.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in message.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mix, constant): (u32, u32) = match round / 20 {
                0 => (b & c | !b & d, 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => (b & c | b & d | c & d, 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6),
            };
            let next =
                [mix, e, constant, *word].iter().fold(a.rotate_left(5), |sum, of| sum.wrapping_add(*of));
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (state, change) in state.iter_mut().zip([a, b, c, d, e]) {
            *state = state.wrapping_add(change);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha1() {
        let hex =
            |text: &str| sha1(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&"a".repeat(119)), "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56");
        assert_eq!(hex(&"a".repeat(120)), "f34c1488385346a55709ba056ddd08280dd4c6d6");
    }

    /// The parent given by these variables.
    fn parent(variables: &[(&str, &str)]) -> Option<Value> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        of(&|name| value(name).map(str::to_owned))
    }

    #[test]
    fn the_parent_is_the_one_that_airflow_or_whoever_calls_has() {
        assert_eq!(parent(&[]), None);
        assert_eq!(parent(&[("OPENLINEAGE_PARENT_ID", "job")]), None);
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let of_caller = parent(&[("OPENLINEAGE_PARENT_ID", &format!("a/b/job/{id}"))]).expect("one");
        assert_eq!(of_caller["run"]["runId"], id);
        assert_eq!(of_caller["job"], json!({"namespace": "a/b", "name": "job"}));
        // The library's results for the same input.
        for (when, id) in [
            ("2023-10-27T06:00:00+00:00", "018b6fb7-d300-7975-968a-2465afe386d4"),
            ("2023-10-27T08:00:00.123456+02:00", "018b6fb7-d37b-7d87-bafb-cb969a29f568"),
        ] {
            let of_task = parent(&[
                ("AIRFLOW_CTX_DAG_ID", "dag"),
                ("AIRFLOW_CTX_TASK_ID", "task"),
                ("AIRFLOW_CTX_LOGICAL_DATE", when),
                ("AIRFLOW_CTX_TRY_NUMBER", "2"),
            ]);
            let of_task = of_task.expect("one");
            assert_eq!(of_task["run"]["runId"], id);
            assert_eq!(of_task["job"], json!({"namespace": "default", "name": "dag.task"}));
        }
    }
}
