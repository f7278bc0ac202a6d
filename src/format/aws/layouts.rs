//! The layouts of the logs that AWS delivers: one table for each.
//!
//! The names are those of the AWS documentation and its tables for Athena, with underscores. AWS appends
//! new values at the end of a line, so a line may have more values than the table, and an old line
//! fewer.

use super::super::usual::Holds;
use Entry::{Address, Bracketed, Request, Value};
use Holds::{Float, Int, Stamp, Text};

/// The lines of one log.
#[derive(Debug)]
pub(super) struct Layout {
    /// Its name in a job.
    pub(super) name: &'static str,
    pub(super) entries: &'static [Entry],
    /// The number of values that every line has.
    pub(super) entries_min: usize,
    /// Whether a header can name the values of the lines after it, which then all have that number.
    pub(super) has_header: bool,
}

/// A value of a line, and its fields.
#[derive(Debug)]
pub(super) enum Entry {
    /// One field.
    Value(&'static str, Holds<'static>),
    /// One field, between square brackets.
    Bracketed(&'static str, Holds<'static>),
    /// An address and a port, with a colon between them.
    Address(&'static str, &'static str),
    /// The first line of a request: all of it, and its verb, URL and protocol.
    Request([&'static str; 4]),
}

const REQUEST: Entry = Request(["request", "request_verb", "request_url", "request_proto"]);

/// The layout that a job calls `name`.
pub(super) fn named(name: &str) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| layout.name == name)
}

/// What a header of VPC flow logs may name.
pub(super) fn is_vpc_field(name: &str) -> bool {
    let is = |known: &str| name.bytes().map(|byte| if byte == b'-' { b'_' } else { byte }).eq(known.bytes());
    VPC_MORE.iter().any(|known| is(known))
        || VPC_FLOW.iter().any(|entry| matches!(entry, Value(known, _) if is(known)))
}

static LAYOUTS: [Layout; 4] = [
    Layout { name: "alb", entries: ALB, entries_min: 17, has_header: false },
    Layout { name: "elb", entries: ELB, entries_min: 12, has_header: false },
    Layout { name: "s3_access", entries: S3_ACCESS, entries_min: 18, has_header: false },
    Layout { name: "vpc_flow", entries: VPC_FLOW, entries_min: VPC_FLOW.len(), has_header: true },
];

const ALB: &[Entry] = &[
    Value("type", Text),
    Value("time", Stamp(None)),
    Value("elb", Text),
    Address("client_ip", "client_port"),
    Address("target_ip", "target_port"),
    Value("request_processing_time", Float),
    Value("target_processing_time", Float),
    Value("response_processing_time", Float),
    Value("elb_status_code", Int),
    Value("target_status_code", Int),
    Value("received_bytes", Int),
    Value("sent_bytes", Int),
    REQUEST,
    Value("user_agent", Text),
    Value("ssl_cipher", Text),
    Value("ssl_protocol", Text),
    Value("target_group_arn", Text),
    Value("trace_id", Text),
    Value("domain_name", Text),
    Value("chosen_cert_arn", Text),
    Value("matched_rule_priority", Int),
    Value("request_creation_time", Stamp(None)),
    Value("actions_executed", Text),
    Value("redirect_url", Text),
    Value("error_reason", Text),
    Value("target_port_list", Text),
    Value("target_status_code_list", Text),
    Value("classification", Text),
    Value("classification_reason", Text),
    Value("conn_trace_id", Text),
    Value("transformed_host", Text),
    Value("transformed_uri", Text),
    Value("request_transform_status", Text),
];

const ELB: &[Entry] = &[
    Value("time", Stamp(None)),
    Value("elb", Text),
    Address("client_ip", "client_port"),
    Address("backend_ip", "backend_port"),
    Value("request_processing_time", Float),
    Value("backend_processing_time", Float),
    Value("response_processing_time", Float),
    Value("elb_status_code", Int),
    Value("backend_status_code", Int),
    Value("received_bytes", Int),
    Value("sent_bytes", Int),
    REQUEST,
    Value("user_agent", Text),
    Value("ssl_cipher", Text),
    Value("ssl_protocol", Text),
];

const S3_ACCESS: &[Entry] = &[
    Value("bucket_owner", Text),
    Value("bucket", Text),
    Bracketed("time", Stamp(Some("%d/%b/%Y:%H:%M:%S %z"))),
    Value("remote_ip", Text),
    Value("requester", Text),
    Value("request_id", Text),
    Value("operation", Text),
    Value("key", Text),
    REQUEST,
    Value("http_status", Int),
    Value("error_code", Text),
    Value("bytes_sent", Int),
    Value("object_size", Int),
    Value("total_time", Int),
    Value("turn_around_time", Int),
    Value("referer", Text),
    Value("user_agent", Text),
    Value("version_id", Text),
    Value("host_id", Text),
    Value("signature_version", Text),
    Value("cipher_suite", Text),
    Value("authentication_type", Text),
    Value("host_header", Text),
    Value("tls_version", Text),
    Value("access_point_arn", Text),
    Value("acl_required", Text),
    Value("source_region", Text),
];

const VPC_FLOW: &[Entry] = &[
    Value("version", Int),
    Value("account_id", Text),
    Value("interface_id", Text),
    Value("srcaddr", Text),
    Value("dstaddr", Text),
    Value("srcport", Int),
    Value("dstport", Int),
    Value("protocol", Int),
    Value("packets", Int),
    Value("bytes", Int),
    Value("start", Stamp(Some("epoch_s"))),
    Value("end", Stamp(Some("epoch_s"))),
    Value("action", Text),
    Value("log_status", Text),
];

/// The fields that a custom format of flow logs can have.
const VPC_MORE: &[&str] = &[
    "vpc_id",
    "subnet_id",
    "instance_id",
    "tcp_flags",
    "type",
    "pkt_srcaddr",
    "pkt_dstaddr",
    "region",
    "az_id",
    "sublocation_type",
    "sublocation_id",
    "pkt_src_aws_service",
    "pkt_dst_aws_service",
    "flow_direction",
    "traffic_path",
    "ecs_cluster_arn",
    "ecs_cluster_name",
    "ecs_container_instance_arn",
    "ecs_container_instance_id",
    "ecs_container_id",
    "ecs_second_container_id",
    "ecs_service_name",
    "ecs_task_definition_arn",
    "ecs_task_arn",
    "ecs_task_id",
    "reject_reason",
    "resource_id",
    "encryption_status",
];
