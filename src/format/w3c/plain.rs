//! The plain reader of W3C logs: the whole text, line by line and character by character.

/// Each line except directives as JSON, for a schema that wants `timestamp` and `date`, or the code of its
/// fault.
pub(super) fn read(text: &[u8]) -> Vec<String> {
    let (mut names, mut day) = (Vec::new(), None);
    let mut found = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(|byte| b" \t\r".contains(byte)) {
            continue;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            if line[0] != b'#' {
                found.push("invalid_utf8".to_owned());
            }
            continue;
        };
        if line.starts_with('#') {
            let lower = line.to_ascii_lowercase();
            if lower.starts_with("#fields:") {
                names = line["#fields:".len()..].split_ascii_whitespace().map(str::to_owned).collect();
            } else if lower.starts_with("#date:") {
                let value = line["#date:".len()..].trim_ascii_start();
                let is_day = value.chars().zip("0000-00-00".chars()).all(|(ch, like)| match like {
                    '0' => ch.is_ascii_digit(),
                    like => ch == like,
                });
                day = (is_day && value.len() >= 10).then(|| value[..10].to_owned());
            }
            continue;
        }
        found.push(record(line, &names, day.as_deref()));
    }
    found
}

fn record(line: &str, names: &[String], day: Option<&str>) -> String {
    if names.is_empty() {
        return "no_match".to_owned();
    }
    let mut values = values(line);
    if values.len() == names.len() + 1 && values.last().is_some_and(String::is_empty) {
        values.pop();
    }
    if values.len() != names.len() {
        return "column_count".to_owned();
    }
    let mut members: Vec<(&str, String)> = names.iter().map(String::as_str).zip(values).collect();
    let last = |name: &str| members.iter().rfind(|member| member.0 == name).map(|member| member.1.clone());
    let (has_date, has_timestamp) = (last("date").is_some(), last("timestamp").is_some());
    let (date, time) = (last("date").or(day.map(str::to_owned)), last("time"));
    if let Some(date) = date {
        if !has_date {
            members.push(("date", date.clone()));
        }
        if let Some(time) = time
            && !has_timestamp
            && ![date.as_str(), time.as_str()].iter().any(|text| ["", "-"].contains(text))
        {
            members.push(("timestamp", format!("{date} {time}")));
        }
    }
    let json = |text: &str| serde_json::to_string(text).expect("a text");
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("{}:{}", json(name), json(value))).collect();
    format!("{{{}}}", members.join(","))
}

fn values(line: &str) -> Vec<String> {
    let delimiter = if line.contains('\t') { '\t' } else { ' ' };
    let chars: Vec<char> = line.chars().collect();
    let (mut values, mut at) = (Vec::new(), 0);
    loop {
        let (value, end) = quoted(&chars, at, delimiter).unwrap_or_else(|| {
            let end = (at..chars.len()).find(|&end| chars[end] == delimiter).unwrap_or(chars.len());
            (chars[at..end].iter().collect(), end)
        });
        values.push(value);
        if end == chars.len() {
            return values;
        }
        at = end + 1;
    }
}

/// A value in quotes, and where it ends.
fn quoted(chars: &[char], start: usize, delimiter: char) -> Option<(String, usize)> {
    if chars.get(start) != Some(&'"') {
        return None;
    }
    let (mut value, mut at) = (String::new(), start + 1);
    loop {
        match (chars.get(at)?, chars.get(at + 1)) {
            ('"', Some('"')) => {
                value.push('"');
                at += 2;
            }
            ('"', next) if next.is_none_or(|&next| next == delimiter) => return Some((value, at + 1)),
            ('"', _) => return None,
            (&ch, _) => {
                value.push(ch);
                at += 1;
            }
        }
    }
}
