//! DynamoDB as a store of keys: an item a key, moved by conditional writes, and read consistently.
//!
//! Keys begin with what tells destinations apart, up to the first slash: this is the partition, and the rest of the key
//! sorts the items in it, so that a list is a range.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bucket;
use crate::bucket::aws::{Aws, Named, Reply};
use crate::error::{Error, ErrorKind, Result as Done};
use crate::sink::ledger::{Entry, Failure, Store, Swap, Version};

/// A store in a table.
pub(super) struct DynamoState {
    named: Named,
    aws: Aws,
}

impl DynamoState {
    /// Connects to nothing yet.
    pub(super) fn open(named: Named) -> Done<DynamoState> {
        let aws = named.open()?;
        Ok(DynamoState { named, aws })
    }

    /// Asks for an operation on the table. None if there is no table.
    fn ask(&self, operation: &str, mut body: Value) -> Result<Option<Reply>, Failure> {
        body["TableName"] = self.named.name.as_str().into();
        match self.aws.ask(operation, &body).map_err(|failure| self.failure(failure))? {
            Reply::Refused { code, .. } if code == "ResourceNotFoundException" => Ok(None),
            reply => Ok(Some(reply)),
        }
    }

    fn failure(&self, failure: bucket::Failure) -> Failure {
        let shown = self.named.describe();
        match failure {
            bucket::Failure::Away(what) => Failure::Away(format!("{shown}: {what}")),
            failure => Failure::Final(failure.into_error(&format!("keeping the state in {shown}"))),
        }
    }

    fn refused(&self, code: &str, message: &str) -> Failure {
        let advice = match code {
            "ValidationException" => {
                format!("; the table is to be made like this:\n{}", self.definition())
            }
            _ => String::new(),
        };
        let message = format!("{} answers {code}: {message}{advice}", self.named.describe());
        Failure::Final(
            ErrorKind::Server { doing: "keeping the state".to_owned(), sqlstate: None, message }.into(),
        )
    }

    /// The command that makes the table.
    fn definition(&self) -> String {
        format!(
            "aws dynamodb create-table --table-name {} --billing-mode PAY_PER_REQUEST --attribute-definitions \
             AttributeName=part,AttributeType=S AttributeName=key,AttributeType=S --key-schema \
             AttributeName=part,KeyType=HASH AttributeName=key,KeyType=RANGE",
            self.named.name
        )
    }

    /// Makes the table. It takes its time, which whoever asks again waits for.
    fn make(&self) -> Result<Failure, Failure> {
        let body = json!({
            "TableName": self.named.name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "part", "AttributeType": "S" },
                { "AttributeName": "key", "AttributeType": "S" },
            ],
            "KeySchema": [
                { "AttributeName": "part", "KeyType": "HASH" },
                { "AttributeName": "key", "KeyType": "RANGE" },
            ],
        });
        let shown = self.named.describe();
        match self.aws.ask("CreateTable", &body) {
            // Another run may have been faster.
            Ok(Reply::Refused { code, .. }) if code == "ResourceInUseException" => {}
            Ok(Reply::Refused { code, message, .. }) => return Err(self.refused(&code, &message)),
            Ok(Reply::Done(_)) => {}
            Err(bucket::Failure::Denied(why)) => {
                return Err(Failure::Final(
                    ErrorKind::Unfit(vec![format!(
                        "{shown} does not exist, and may not be created ({why}); have somebody with that \
                         right run this, then run the same command again:\n{}",
                        self.definition()
                    )])
                    .into(),
                ));
            }
            Err(failure) => return Err(self.failure(failure)),
        }
        Ok(Failure::Away(format!("{shown}: the table is being made")))
    }

    fn key(&self, key: &str) -> Result<Value, Failure> {
        let (part, rest) = split(key)?;
        Ok(json!({ "part": { "S": part }, "key": { "S": rest } }))
    }
}

/// The partition of a key, and its place there.
fn split(key: &str) -> Result<(&str, &str), Failure> {
    key.split_once('/')
        .ok_or_else(|| Failure::Final(Error::broken(format!("the key {key:?} does not say of what it is"))))
}

/// What stands in an item.
fn entry(item: &Value) -> Option<Entry> {
    let version = Version(item["version"]["S"].as_str()?.to_owned());
    Some(Entry { version, value: STANDARD.decode(item["value"]["B"].as_str()?).ok()? })
}

fn odd() -> Failure {
    let what = "the table of the state has an item that is not one of this program; was it changed by hand?";
    Failure::Final(ErrorKind::Unfit(vec![what.to_owned()]).into())
}

/// The condition that an item is of a version, or is not there; its names and its values.
fn condition(body: &mut Value, expected: Option<&Version>) {
    match expected {
        None => {
            body["ConditionExpression"] = "attribute_not_exists(#k)".into();
            body["ExpressionAttributeNames"] = json!({ "#k": "key" });
        }
        Some(Version(version)) => {
            body["ConditionExpression"] = "#v = :old".into();
            body["ExpressionAttributeNames"] = json!({ "#v": "version" });
            body["ExpressionAttributeValues"] = json!({ ":old": { "S": version } });
        }
    }
}

impl Store for DynamoState {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        match self.ask("GetItem", json!({ "Key": self.key(key)?, "ConsistentRead": true }))? {
            None => Ok(None),
            Some(Reply::Done(answer)) if answer["Item"].is_null() => Ok(None),
            Some(Reply::Done(answer)) => entry(&answer["Item"]).map(Some).ok_or_else(odd),
            Some(Reply::Refused { code, message, .. }) => Err(self.refused(&code, &message)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        let (part, rest) = split(prefix)?;
        let (mut entries, mut from) = (Vec::new(), Value::Null);
        loop {
            let mut body = json!({
                "ConsistentRead": true,
                "KeyConditionExpression": "#p = :part AND begins_with(#k, :rest)",
                "ExpressionAttributeNames": { "#p": "part", "#k": "key" },
                "ExpressionAttributeValues": { ":part": { "S": part }, ":rest": { "S": rest } },
            });
            if !from.is_null() {
                body["ExclusiveStartKey"] = from;
            }
            let answer = match self.ask("Query", body)? {
                None => return Ok(entries),
                Some(Reply::Done(answer)) => answer,
                Some(Reply::Refused { code, message, .. }) => return Err(self.refused(&code, &message)),
            };
            for item in answer["Items"].as_array().into_iter().flatten() {
                let key = item["key"]["S"].as_str().ok_or_else(odd)?;
                entries.push((format!("{part}/{key}"), entry(item).ok_or_else(odd)?));
            }
            from = answer["LastEvaluatedKey"].clone();
            if from.is_null() {
                return Ok(entries);
            }
        }
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        let fresh = value.map(|_| Version::fresh());
        let mut body = match (&fresh, value) {
            (Some(Version(version)), Some(value)) => {
                let mut item = self.key(key)?;
                item["version"] = json!({ "S": version });
                item["value"] = json!({ "B": STANDARD.encode(value) });
                json!({ "Item": item })
            }
            _ => json!({ "Key": self.key(key)? }),
        };
        condition(&mut body, expected);
        let operation = if value.is_some() { "PutItem" } else { "DeleteItem" };
        match self.ask(operation, body)? {
            Some(Reply::Done(_)) => Ok(Swap::Done(fresh)),
            Some(Reply::Refused { code, .. }) if code == "ConditionalCheckFailedException" => {
                Ok(Swap::Refused)
            }
            Some(Reply::Refused { code, message, .. }) => Err(self.refused(&code, &message)),
            None if expected.is_some() => Ok(Swap::Refused),
            None => self.make().and_then(Err),
        }
    }
}
