//! Container logs: lines of other formats within the lines of a runtime.

use super::Numbers;
use super::text::Moment;

/// In Kubernetes' form. One line in ten is cut in two.
pub(super) fn cri(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let (stream, time) = (numbers.one_of(&["stdout", "stdout", "stderr"]), Moment::new(at_ms).iso());
    let (first, second) = line.split_at(line.floor_char_boundary(line.len() / 2));
    *line = match numbers.below(10) {
        0 => format!("{time} {stream} P {first}\n{time} {stream} F {second}"),
        _ => format!("{time} {stream} F {line}"),
    };
}

/// In Docker's form. One line in ten is cut in two.
pub(super) fn docker(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let (stream, time) = (numbers.one_of(&["stdout", "stdout", "stderr"]), Moment::new(at_ms).iso());
    let kept = |text: &str, end: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{{\"log\":\"{text}{end}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}")
    };
    let (first, second) = line.split_at(line.floor_char_boundary(line.len() / 2));
    *line = match numbers.below(10) {
        0 => format!("{}\n{}", kept(first, ""), kept(second, "\\n")),
        _ => kept(line, "\\n"),
    };
}

/// As displayed by Docker Compose.
pub(super) fn compose(numbers: &mut Numbers, line: &mut String) {
    let service = numbers.one_of(&["web-1  ", "web-2  ", "proxy-1"]);
    line.insert_str(0, &format!("{service}  | "));
}
