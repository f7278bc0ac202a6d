//! How each of the object stores is reached: by its usual variables, and what a URL sets besides.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig, StaticCredentialProvider};

use super::address::{Address, Scheme};
use super::verdict::failure;
use crate::error::{Error, Result};

/// What each of the three stores can do.
pub(super) trait Client: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Client for T {}

const CONNECT: &str = "5s";
/// Longer than any bound that a call has.
const UNBOUNDED: &str = "1d";

/// A client that tries a call so often again, and gives up trying after some time.
pub(super) fn client(address: &Address, tries: usize, at_most: Duration) -> Result<Arc<dyn Client>> {
    refuse_plain_http(address)?;
    let refused = |error: object_store::Error| {
        Error::connection(format!("{address}: the settings of the bucket are refused: {}", failure(&error)))
    };
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    let retry = RetryConfig { backoff, max_retries: tries, retry_timeout: at_most };
    Ok(match address.scheme {
        Scheme::S3 => Arc::new(s3(address, retry).build().map_err(refused)?),
        Scheme::Gcs => Arc::new(gcs(address, retry).build().map_err(refused)?),
        Scheme::Azure => Arc::new(azure(address, retry).build().map_err(refused)?),
        Scheme::File => return Err(Error::broken("a folder was taken for an object store")),
    })
}

fn refuse_plain_http(address: &Address) -> Result<()> {
    let is_plain = address.setting("endpoint").is_some_and(|endpoint| endpoint.starts_with("http://"));
    if is_plain && address.setting("allow_http") != Some("true") {
        return Err(Error::connection(format!(
            "{address}: its endpoint speaks plain http, over which others can read data and signatures; if \
             that is acceptable, add allow_http=true"
        )));
    }
    Ok(())
}

fn is_anonymous(address: &Address) -> bool {
    address.setting("anonymous") == Some("true")
}

/// What is set for whatever store.
fn common(address: &Address) -> impl Iterator<Item = (ClientConfigKey, &str)> {
    let allow_http = address.setting("allow_http").map(|value| (ClientConfigKey::AllowHttp, value));
    [(ClientConfigKey::ConnectTimeout, CONNECT), (ClientConfigKey::Timeout, UNBOUNDED)]
        .into_iter()
        .chain(allow_http)
}

fn s3(address: &Address, retry: RetryConfig) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&address.bucket)
        // One object is removed at a time, and not every imitation knows the other way.
        .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true")
        .with_retry(retry);
    for (key, value) in common(address) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    if let Some(endpoint) = address.setting("endpoint") {
        builder = builder
            .with_config(AmazonS3ConfigKey::Endpoint, endpoint)
            .with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(region) = address.setting("region") {
        builder = builder.with_region(region);
    }
    if let Some(path_style) = address.setting("path_style") {
        builder = builder.with_virtual_hosted_style_request(path_style == "false");
    }
    if is_anonymous(address) {
        builder = builder.with_skip_signature(true);
    }
    builder
}

fn gcs(address: &Address, retry: RetryConfig) -> GoogleCloudStorageBuilder {
    let mut builder =
        GoogleCloudStorageBuilder::from_env().with_bucket_name(&address.bucket).with_retry(retry);
    for (key, value) in common(address) {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    if let Some(endpoint) = address.setting("endpoint") {
        builder = builder.with_base_url(endpoint);
    }
    if is_anonymous(address) {
        // A write asks for credentials all the same, and gets one that says nothing.
        let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
        builder = builder.with_skip_signature(true).with_credentials(Arc::new(nobody));
    }
    builder
}

fn azure(address: &Address, retry: RetryConfig) -> MicrosoftAzureBuilder {
    let mut builder =
        MicrosoftAzureBuilder::from_env().with_container_name(&address.bucket).with_retry(retry);
    for (key, value) in common(address) {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    if let Some(account) = address.setting("account") {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = address.setting("endpoint") {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    if is_anonymous(address) {
        builder = builder.with_skip_signature(true);
    }
    builder
}
