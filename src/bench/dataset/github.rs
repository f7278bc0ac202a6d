//! Events as published by a forge, one object each: nested four levels deep, of eight kinds with different
//! payloads, some with long texts. The shape is that of the public archives of such events; every value is
//! made up.

use std::fmt::Write as _;

use super::text::{Moment, words};
use super::{MODULES, Numbers, WORDS};

/// The kinds, repeated according to their frequency.
const KINDS: &[&str] = &[
    "PushEvent",
    "PushEvent",
    "PushEvent",
    "PushEvent",
    "PushEvent",
    "PushEvent",
    "CreateEvent",
    "PullRequestEvent",
    "IssueCommentEvent",
    "IssuesEvent",
    "WatchEvent",
    "DeleteEvent",
    "ForkEvent",
];

/// One event.
pub(super) fn event(numbers: &mut Numbers, at_ms: u64, record: &mut String) {
    let kind = numbers.one_of(KINDS);
    let (id, actor, repo) = (
        numbers.below(10_000_000_000) + 20_000_000_000,
        numbers.below(90_000_000),
        numbers.below(600_000_000),
    );
    let login = login(numbers);
    let name = format!("{login}/{}-{}", numbers.one_of(WORDS), numbers.one_of(MODULES));
    let _ = write!(
        record,
        "{{\"id\":\"{id}\",\"type\":\"{kind}\",\"actor\":{{\"id\":{actor},\"login\":\"{login}\",\
         \"display_login\":\"{login}\",\"gravatar_id\":\"\",\"url\":\"https://api.forge.example/users/{login}\",\
         \"avatar_url\":\"https://avatars.forge.example/u/{actor}?\"}},\"repo\":{{\"id\":{repo},\
         \"name\":\"{name}\",\"url\":\"https://api.forge.example/repos/{name}\"}},\"payload\":"
    );
    payload(numbers, kind, &name, at_ms, record);
    let _ = write!(record, ",\"public\":true,\"created_at\":\"{}\"", second(at_ms));
    if numbers.below(3) == 0 {
        let (id, org) = (numbers.below(90_000_000), numbers.one_of(MODULES));
        let _ = write!(
            record,
            ",\"org\":{{\"id\":{id},\"login\":\"{org}-inc\",\"gravatar_id\":\"\",\
             \"url\":\"https://api.forge.example/orgs/{org}-inc\",\
             \"avatar_url\":\"https://avatars.forge.example/u/{id}?\"}}"
        );
    }
    record.push('}');
}

fn payload(numbers: &mut Numbers, kind: &str, repo: &str, at_ms: u64, record: &mut String) {
    let _ = match kind {
        "PushEvent" => return push(numbers, repo, record),
        "PullRequestEvent" => {
            let (number, title) = (numbers.below(9_000) + 1, words(numbers, 4));
            let action = numbers.one_of(&["opened", "closed", "reopened"]);
            let (body, login) = (words(numbers, 40), login(numbers));
            write!(
                record,
                "{{\"action\":\"{action}\",\"number\":{number},\"pull_request\":{{\
                 \"url\":\"https://api.forge.example/repos/{repo}/pulls/{number}\",\"id\":{},\"number\":{number},\
                 \"state\":\"open\",\"locked\":false,\"title\":\"{title}\",\"user\":{{\"login\":\"{login}\",\"id\":{},\
                 \"type\":\"User\",\"site_admin\":false}},\"body\":\"{body}\",\"created_at\":\"{}\",\"merged_at\":null,\
                 \"labels\":[],\"draft\":false,\"commits\":{},\"additions\":{},\"deletions\":{},\"changed_files\":{}}}}}",
                numbers.below(2_000_000_000),
                numbers.below(90_000_000),
                second(at_ms),
                numbers.below(20) + 1,
                numbers.below(3_000),
                numbers.below(3_000),
                numbers.below(60) + 1,
            )
        }
        "IssuesEvent" | "IssueCommentEvent" => {
            let (number, title) = (numbers.below(9_000) + 1, words(numbers, 5));
            let (user, body, label) = (login(numbers), words(numbers, 30), numbers.one_of(MODULES));
            write!(
                record,
                "{{\"action\":\"created\",\"issue\":{{\"url\":\"https://api.forge.example/repos/{repo}/issues/{number}\",\
                 \"id\":{},\"number\":{number},\"title\":\"{title}\",\"user\":{{\"login\":\"{user}\",\"id\":{}}},\
                 \"labels\":[{{\"id\":{},\"name\":\"{label}\",\"color\":\"{:06x}\",\"default\":false}}],\
                 \"state\":\"open\",\"comments\":{},\"body\":\"{body}\"}}}}",
                numbers.below(2_000_000_000),
                numbers.below(90_000_000),
                numbers.below(5_000_000_000),
                numbers.below(0x100_0000),
                numbers.below(40),
            )
        }
        "CreateEvent" | "DeleteEvent" => {
            let (branch, described) = (numbers.one_of(WORDS), words(numbers, 6));
            write!(
                record,
                "{{\"ref\":\"{branch}\",\"ref_type\":\"branch\",\"master_branch\":\"main\",\
                 \"description\":\"{described}\",\"pusher_type\":\"user\"}}"
            )
        }
        "ForkEvent" => {
            let (id, owner) = (numbers.below(600_000_000), login(numbers));
            write!(
                record,
                "{{\"forkee\":{{\"id\":{id},\"full_name\":\"{owner}/fork\",\"private\":false,\
                 \"owner\":{{\"login\":\"{owner}\",\"id\":{}}},\"size\":{},\"license\":null}}}}",
                numbers.below(90_000_000),
                numbers.below(100_000),
            )
        }
        _ => write!(record, "{{\"action\":\"started\"}}"),
    };
}

fn push(numbers: &mut Numbers, repo: &str, record: &mut String) {
    let (id, count, branch) = (numbers.below(10_000_000_000), numbers.below(4) + 1, numbers.one_of(WORDS));
    let (head, before) = (sha(numbers), sha(numbers));
    let _ = write!(
        record,
        "{{\"push_id\":{id},\"size\":{count},\"distinct_size\":{count},\"ref\":\"refs/heads/{branch}\",\
         \"head\":\"{head}\",\"before\":\"{before}\",\"commits\":["
    );
    for index in 0..count {
        let (sha, author, message) = (sha(numbers), login(numbers), words(numbers, 6));
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(
            record,
            "{comma}{{\"sha\":\"{sha}\",\"author\":{{\"email\":\"{author}@mail.example\",\"name\":\"{author}\"}},\
             \"message\":\"{message}\\n\\nFixes #{}\",\"distinct\":true,\
             \"url\":\"https://api.forge.example/repos/{repo}/commits/{sha}\"}}",
            numbers.below(9_000),
        );
    }
    record.push_str("]}");
}

/// Makes an event bad in one of several ways.
pub(super) fn spoil(numbers: &mut Numbers, record: &mut String) {
    match numbers.below(5) {
        0 => record.truncate(record.floor_char_boundary(record.len() / 2)),
        1 => *record = record.replacen("\"type\":", "\"typ\":", 1),
        2 => *record = record.replacen("\"public\":true", "\"public\":\"n/a\"", 1),
        3 => *record = record.replacen("\"created_at\":\"2", "\"created_at\":\"half past 2", 1),
        _ => *record = record.replacen("\"login\":\"", "\"login\":\"\\u0000", 1),
    }
}

fn login(numbers: &mut Numbers) -> String {
    format!("{}{}", numbers.one_of(WORDS), numbers.below(10_000))
}

fn sha(numbers: &mut Numbers) -> String {
    format!("{:016x}{:016x}{:08x}", numbers.next(), numbers.next(), numbers.below(1 << 32))
}

/// A time in whole seconds, in the forge's format.
fn second(at_ms: u64) -> String {
    let iso = Moment::new(at_ms).iso();
    format!("{}Z", &iso[..19])
}
