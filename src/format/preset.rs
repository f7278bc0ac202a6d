//! Presets: well-known logs by name, each with the pattern of its records and of their first lines.
//!
//! A preset is what a person would write into a job, with a sample. A new one is an entry in this table.
//! Inference tries all of them, so a file without a job gets these fields too.

/// A well-known log.
#[derive(Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// The program that writes it.
    pub about: &'static str,
    /// The `format` of a job that reads it.
    pub format: &'static str,
    /// The `pattern` of its records if the format is `regex`; otherwise the pattern that recognises them.
    pub pattern: &'static str,
    /// The pattern of a record's first line, if records can have several lines.
    pub record_start: Option<&'static str>,
    /// Some records of it.
    pub sample: &'static str,
}

macro_rules! presets {
    ($($name:literal, $about:literal, $($format:ident,)? $pattern:literal, $start:expr, $sample:literal;)*) => {
        &[$(Preset {
            name: $name,
            about: $about,
            format: presets!(@ $($format)?),
            pattern: $pattern,
            record_start: $start,
            sample: $sample,
        }),*]
    };
    (@) => { "regex" };
    (@ $format:ident) => { stringify!($format) };
}

/// All presets, the more specific first.
#[rustfmt::skip]
pub const PRESETS: &[Preset] = presets! {
    "openssh", "OpenSSH's sshd, as syslog writes it",
    r"^(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<hostname>\S+) (?P<program>sshd(?:-session|-auth)?)\[(?P<pid>\d+)\]: (?P<message>(?:(?P<outcome>Accepted|Failed|Invalid) (?:(?P<method>[\w/-]+) for )?(?:invalid )?(?:user )?(?P<user>\S*) from (?P<client>\S+)(?: port (?P<port>\d+))?)?(?s:.*))$",
    None,
    "Oct 27 12:34:56 web-1 sshd[4711]: Failed password for invalid user admin from 192.0.2.7 port 5312 ssh2\nOct 27 12:34:57 web-1 sshd[4711]: Connection closed by 192.0.2.7 port 5312 [preauth]\n";

    "apache_error", "the error log of Apache httpd",
    r"^\[(?P<timestamp>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] \[(?:(?P<module>[\w-]*):)?(?P<level>\w+)\] (?:\[pid (?P<pid>\d+)(?::tid (?P<tid>\d+))?\] )?(?:\[client (?P<client>[^\]]+)\] )?(?P<message>(?s:.*))$",
    Some(r"^\[[A-Z][a-z]{2} [A-Z][a-z]{2} "),
    "[Fri Oct 27 12:34:56.789012 2023] [core:error] [pid 35708:tid 4328636416] [client 192.0.2.7:5312] AH00126: Invalid URI in request\n[Fri Oct 27 12:34:57 2023] [notice] caught SIGTERM, shutting down\n";

    "nginx_error", "the error log of nginx",
    r"^(?P<timestamp>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>[a-z]+)\] (?P<pid>\d+)#(?P<tid>\d+): (?:\*(?P<connection>\d+) )?(?P<message>(?s:.*?))(?:, client: (?P<client>[^,\s]+))?(?:, server: (?P<server>[^,]*))?(?:, request: \x22(?P<request>[^\x22]*)\x22)?(?:, upstream: \x22(?P<upstream>[^\x22]*)\x22)?(?:, host: \x22(?P<host>[^\x22]*)\x22)?(?:, referrer: \x22(?P<referrer>[^\x22]*)\x22)?$",
    Some(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \["),
    "2023/10/27 12:34:56 [error] 1234#5678: *90 open() \"/srv/x\" failed (2: No such file or directory), client: 192.0.2.7, server: example.org, request: \"GET /x HTTP/1.1\", host: \"example.org\"\n2023/10/27 12:35:00 [notice] 1234#1234: signal process started\n";

    "postgresql", "PostgreSQL's log to stderr, with the usual log_line_prefix",
    r"^(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (?P<zone>[A-Z]+[+-]?\d*) \[(?P<pid>\d+)(?:-\d+)?\]:? ?(?:(?P<user>[^@\s]*)@(?P<database>\S*) )?(?P<level>[A-Z]+\d?):  ?(?P<message>(?s:.*))$",
    Some(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z]+"),
    "2023-10-27 12:34:56.789 UTC [4321] LOG:  database system is ready to accept connections\n2023-10-27 12:35:01.002 UTC [4399] app@shop STATEMENT:  select *\n\tfrom cart\n";

    "postgresql_jsonlog", "PostgreSQL's jsonlog", ndjson,
    r"^\{\x22timestamp\x22:\x22\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+\x22,.*\x22pid\x22:\d+,.*\x22session_id\x22:\x22.*\x22error_severity\x22:\x22[A-Z]+\d?\x22,.*\}$",
    None,
    "{\"timestamp\":\"2023-10-27 12:34:56.789 UTC\",\"pid\":4321,\"session_id\":\"653bb0e0.10e1\",\"line_num\":1,\"session_start\":\"2023-10-27 12:34:56 UTC\",\"txid\":0,\"error_severity\":\"LOG\",\"message\":\"database system is ready\",\"backend_type\":\"postmaster\",\"query_id\":0}\n{\"timestamp\":\"2023-10-27 12:35:01.002 UTC\",\"user\":\"app\",\"dbname\":\"shop\",\"pid\":4399,\"remote_host\":\"192.0.2.7\",\"remote_port\":5312,\"session_id\":\"653bb0e5.112f\",\"line_num\":2,\"ps\":\"SELECT\",\"session_start\":\"2023-10-27 12:35:01 UTC\",\"vxid\":\"3/7\",\"txid\":0,\"error_severity\":\"ERROR\",\"state_code\":\"42P01\",\"message\":\"relation \\\"cart\\\" does not exist\",\"statement\":\"select *\\nfrom cart\",\"cursor_position\":15,\"application_name\":\"psql\",\"backend_type\":\"client backend\",\"query_id\":0}\n";

    "mysql_error", "the error log of MySQL",
    r"^(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)) (?P<thread>\d+) \[(?P<level>\w+)\] (?:\[(?P<code>[\w-]+)\] )?(?:\[(?P<subsystem>\w+)\] )?(?P<message>(?s:.*))$",
    Some(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"),
    "2023-10-27T12:34:56.789012Z 0 [System] [MY-010116] [Server] mysqld starting as process 1\n2023-10-27T12:34:57.000123Z 5 [Warning] [MY-013360] [Server] Plugin is deprecated\n";

    "zookeeper", "ZooKeeper",
    r"^(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (?P<level>[A-Z]+) +\[(?P<thread>.*):(?P<class>[\w$]+)@(?P<line>\d+)\] - (?P<message>(?s:.*))$",
    Some(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - "),
    "2023-10-27 12:34:56,789 - INFO  [QuorumPeer[myid=1]/0.0.0.0:2181:FastLeaderElection@774] - Notification time out: 3200\n2023-10-27 12:34:57,001 - WARN  [main:Server@17] - gone\njava.io.IOException: gone\n\tat a.B.c(B.java:1)\n";

    "python", "Python's logging, with its usual format",
    r"^(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (?P<logger>[\w.$-]+) - (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) - (?P<message>(?s:.*))$",
    Some(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - "),
    "2023-10-27 12:34:56,789 - app.web - INFO - started\n2023-10-27 12:34:57,000 - app.web - ERROR - failed\nTraceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nValueError: x\n";

    "python_basic", "Python's logging, with the format of basicConfig",
    r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<logger>[\w.$-]+):(?P<message>(?s:.*))$",
    Some(r"^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):[\w.$-]+:"),
    "INFO:root:started\nERROR:app.web:failed\nTraceback (most recent call last):\nValueError: x\n";

    "kafka", "Kafka, and log4j with its timestamp in brackets",
    r"^\[(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] (?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +(?P<message>(?s:.*?))(?: \((?P<logger>[\w.$]+)\))?$",
    Some(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] "),
    "[2023-10-27 12:34:56,789] INFO Registered kafka:type=kafka.Log4jController MBean (kafka.utils.Log4jControllerRegistration$)\n[2023-10-27 12:34:57,001] WARN [Producer clientId=p-1] Connection could not be established (org.apache.kafka.clients.NetworkClient)\n";

    "spring_boot", "Spring Boot",
    r"^(?P<timestamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d)?) +(?P<level>TRACE|DEBUG|INFO|WARN|ERROR) (?P<pid>\d+) --- (?:\[(?P<application>[\w.-]+)\] )?\[ *(?P<thread>[^\]]*)\] (?P<logger>\S+) +: (?P<message>(?s:.*))$",
    Some(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3}"),
    "2023-10-27T12:34:56.789+02:00  INFO 4711 --- [           main] com.example.shop.Application             : Started Application in 2.3 seconds\n2023-10-27T12:34:57.001+02:00 ERROR 4711 --- [nio-8080-exec-1] o.a.c.c.C.[.[.[/].[dispatcherServlet]    : failed\njava.lang.IllegalStateException: no\n\tat com.example.A.b(A.java:7)\n";

    "log4j", "log4j, logback and Hadoop: timestamp, level, thread and logger, in the usual orders",
    r"^(?P<timestamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3}) +(?:\[(?P<thread>[^\]]*)\] +)?\[?(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE)\]? +(?:\[(?P<thread_behind>[^\]]*)\] +)?(?P<logger>[\w.$/-]+(?:\([^)]*\))?)(?: -|:) (?P<message>(?s:.*))$",
    Some(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3}"),
    "2023-10-27 12:34:56,789 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster\n2023-10-27 12:34:57,000 [worker-2] ERROR com.example.Shop - failed\njava.lang.NullPointerException\n\tat com.example.Shop.buy(Shop.java:42)\n";

    "spark", "Spark, and log4j with a year of two digits",
    r"^(?P<timestamp>\d\d/\d\d/\d\d \d\d:\d\d:\d\d) (?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) (?P<logger>[\w.$]+): (?P<message>(?s:.*))$",
    Some(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d "),
    "23/10/27 12:34:56 INFO executor.CoarseGrainedExecutorBackend: Registered signal handlers for [TERM, HUP, INT]\n23/10/27 12:34:57 WARN storage.BlockManager: Block rdd_0_0 already exists\n";

    "hdfs", "the name nodes and data nodes of Hadoop's file system",
    r"^(?P<timestamp>\d{6} \d{6}) (?P<pid>\d+) (?P<level>[A-Z]+) (?P<component>[^ ]+): (?P<message>(?s:.*))$",
    Some(r"^\d{6} \d{6} \d+ "),
    "231027 123456 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38865 terminating\n231027 123457 26 WARN dfs.FSNamesystem: BLOCK* ask 10.0.0.1:50010 to replicate\n";

    "tomcat", "Tomcat's catalina.out, and java.util.logging with one line",
    r"^(?P<timestamp>\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\.\d{3}) (?P<level>SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST) \[(?P<thread>[^\]]*)\] (?P<logger>[\w.$<>]+) (?P<message>(?s:.*))$",
    Some(r"^\d\d-[A-Z][a-z]{2}-\d{4} "),
    "27-Oct-2023 12:34:56.789 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [1234] milliseconds\n27-Oct-2023 12:34:57.001 SEVERE [main] org.apache.catalina.core.StandardContext.startInternal One or more listeners failed\n";

    "rails", "Ruby's Logger, and Rails with it",
    r"^[DIWEFAU], \[(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+) #(?P<pid>\d+)\] +(?P<level>[A-Z]+) -- (?P<program>[^:]*): (?:\[(?P<request_id>[0-9a-f-]{36})\] )?(?P<message>(?s:.*))$",
    Some(r"^[DIWEFAU], \["),
    "I, [2023-10-27T12:34:56.789012 #1234]  INFO -- : [0a1b2c3d-1111-4222-8333-444455556666] Started GET \"/\" for 192.0.2.7\nE, [2023-10-27T12:34:57.000001 #1234] ERROR -- : failed\napp/models/cart.rb:7:in `buy'\n";

    "laravel", "Laravel, and Monolog's line format",
    r"^\[(?P<timestamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:\d\d)?)\] (?P<channel>[\w-]+)\.(?P<level>DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY): (?P<message>(?s:.*))$",
    Some(r"^\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"),
    "[2023-10-27 12:34:56] production.ERROR: no such user {\"exception\":\"[object]\"}\n[stacktrace]\n#0 /srv/app/User.php(7)\n[2023-10-27 12:34:57] production.INFO: signed in\n";

    "openstack", "OpenStack's oslo.log",
    r"^(?:(?P<file>\S+\.log\S*) )?(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (?P<pid>\d+) (?P<level>[A-Z]+) (?P<logger>[\w.]+) \[(?P<request>[^\]]*)\] (?P<message>(?s:.*))$",
    Some(r"^(?:\S+\.log\S* )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ "),
    "2023-10-27 12:34:56.789 25746 INFO nova.osapi_compute.wsgi.server [req-38101a0b 113d3a99 - - -] 10.11.10.1 \"GET /v2/servers HTTP/1.1\" status: 200\n2023-10-27 12:34:57.001 2931 WARNING nova.virt.libvirt.imagecache [req-addc1839 - - - - -] Unknown base file\n";

    "redis", "Redis",
    r"^(?P<pid>\d+):(?P<role>[MSCX]) (?P<timestamp>\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}) (?P<level>[.\-*#]) (?P<message>(?s:.*))$",
    Some(r"^\d+:[MSCX] \d\d "),
    "1:M 27 Oct 2023 12:34:56.789 * Ready to accept connections\n1:M 27 Oct 2023 12:34:57.001 # Warning: no config file\n";

    "klog", "Kubernetes' klog and Google's glog",
    r"^(?P<level>[IWEF])(?P<timestamp>\d{4} \d\d:\d\d:\d\d\.\d{6}) +(?P<thread>\d+) (?P<file>[\w./-]+):(?P<line>\d+)\] (?P<message>(?s:.*))$",
    Some(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} "),
    "I1027 12:34:56.789012       1 controller.go:116] Starting workers\nW1027 12:34:57.000001       1 reflector.go:324] failed to list *v1.Pod\n";

    "go", "Go's log package, rsync's daemon, and others that begin with this timestamp",
    r"^(?P<timestamp>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (?:\[(?P<pid>\d+)\] )?(?:(?P<file>[\w./-]+\.go):(?P<line>\d+): )?(?P<message>(?s:.*))$",
    Some(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"),
    "2023/10/27 12:34:56 listening on :8080\n2023/10/27 12:34:57 server.go:42: panic: no\ngoroutine 1 [running]:\n";

    "go_slog", "Go's log/slog with its TextHandler", logfmt,
    r"^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* level=(?:DEBUG|INFO|WARN|ERROR)(?:[+-]\d+)? (?:source=(?:\S+|\x22(?:[^\x22\\]|\\.)*\x22) )?msg=(?:\x22(?:[^\x22\\]|\\.)*\x22|[^\s\x22]*)(?: .*)?$",
    None,
    "time=2023-10-27T12:34:56.789+02:00 level=INFO msg=\"got a request\" method=GET user.id=7 took=1.5ms\ntime=2023-10-27T12:34:57.000Z level=WARN+1 source=/srv/app/main.go:42 msg=slow err=\"no \\\"answer\\\" from db\"\n";

    "bracketed", "a timestamp, a level in brackets or behind one, and a message",
    r"^\[?(?P<timestamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?)\]? +\[?(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|trace|debug|info|notice|warn|warning|error|critical|fatal)\]?:? +(?P<message>(?s:.*))$",
    Some(r"^\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"),
    "2023-10-27 12:34:56 [info] started\n2023-10-27T12:34:57.001Z ERROR failed\n  because of this\n";
};

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;
    use crate::source::Framing;

    #[test]
    fn every_record_of_a_sample_is_cut_by_its_pattern() {
        for Preset { name, format, pattern, record_start, sample, .. } in PRESETS {
            if *format == "regex" {
                Pattern::new(pattern).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let pattern = regex::Regex::new(pattern).expect(name);
            let start = record_start.map(|start| regex::bytes::Regex::new(start).expect(name));
            let framing = start.map_or(Framing::Lines, Framing::Starts);
            let records: Vec<_> = framing.records(sample.as_bytes()).collect();
            assert_eq!(records.len(), 2, "{name}");
            for record in records {
                let text = record.text.expect("UTF-8");
                let found = pattern.captures(text).unwrap_or_else(|| panic!("{name} does not cut {text:?}"));
                assert_eq!(found[0].len(), text.len(), "{name}");
                assert!(*format != "regex" || found.name("message").is_some(), "{name}");
            }
            assert!(!pattern.as_str().contains('\''), "{name} could not be written between single quotes");
        }
    }

    #[test]
    fn the_manual_names_them_all() {
        let page = include_str!("../manual/formats.md");
        for Preset { name, about, .. } in PRESETS {
            assert!(page.contains(&format!("| `{name}` | {about} |")), "{name} is not in formats.md");
        }
    }

    #[test]
    fn names_are_there_once() {
        let mut names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PRESETS.len());
        assert!(preset("log4j").is_some() && preset("log5j").is_none());
    }
}
