//! Certificate authorities for one test, made by the openssl program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Signs and revokes certificates.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
}

#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) file: PathBuf,
    pub(crate) key: PathBuf,
}

/// Skips the test if the openssl program is missing.
fn needed() {
    let openssl = Command::new("openssl").arg("version").output();
    if !openssl.is_ok_and(|output| output.status.success()) {
        super::skip("there is no openssl program to make certificates with");
    }
}

impl Authority {
    pub(crate) fn new() -> Authority {
        needed();
        let authority = Authority { directory: tempfile::tempdir().unwrap() };
        for (name, content) in [("config", CONFIG), ("index", ""), ("serial", "01\n"), ("crlnumber", "01\n")]
        {
            fs::write(authority.path(name), content).unwrap();
        }
        fs::create_dir(authority.path("signed")).unwrap();
        authority.openssl(&format!(
            "req -x509 -config config {KEY} -keyout ca.key -out ca.crt -days 2 -extensions authority -subj /CN=authority"
        ));
        authority
    }

    /// The root certificate for clients to trust.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// Signs a certificate for these alternative names, in openssl's notation: `DNS:localhost`,
    /// `IP:127.0.0.1`.
    pub(crate) fn sign(&self, common_name: &str, names: &str) -> Certificate {
        self.sign_until(common_name, names, "20991231235959Z")
    }

    pub(crate) fn sign_expired(&self, common_name: &str, names: &str) -> Certificate {
        self.sign_until(common_name, names, "20200201000000Z")
    }

    /// A self-signed server certificate, as `openssl req -x509` makes it.
    pub(crate) fn self_signed(&self, names: &str) -> Certificate {
        let (name, certificate) = self.next();
        fs::write(self.path("config"), format!("{CONFIG}subjectAltName={names}\n")).unwrap();
        self.openssl(&format!(
            "req -x509 -config config {KEY} -keyout {name}.key -out {name}.crt -days 2 -extensions authority -subj /CN={name}"
        ));
        certificate
    }

    /// Revokes a certificate and returns the path of the revocation list.
    pub(crate) fn revoke(&self, certificate: &Certificate) -> PathBuf {
        self.openssl(&format!("ca -config config -revoke {}", certificate.file.display()));
        self.openssl("ca -config config -gencrl -crldays 2 -out revoked.crl");
        self.path("revoked.crl")
    }

    fn sign_until(&self, common_name: &str, names: &str, end: &str) -> Certificate {
        let (name, certificate) = self.next();
        self.openssl(&format!(
            "req -config config -new {KEY} -keyout {name}.key -out {name}.csr -subj /CN={common_name}"
        ));
        let names = if names.is_empty() { String::new() } else { format!("subjectAltName={names}\n") };
        fs::write(self.path("extensions"), format!("basicConstraints=CA:FALSE\n{names}")).unwrap();
        self.openssl(&format!(
            "ca -config config -batch -notext -in {name}.csr -out {name}.crt -extfile extensions -startdate 20200101000000Z -enddate {end}"
        ));
        certificate
    }

    fn next(&self) -> (String, Certificate) {
        let name = format!("c{}", fs::read_dir(self.directory.path()).unwrap().count());
        let certificate =
            Certificate { file: self.path(&format!("{name}.crt")), key: self.path(&format!("{name}.key")) };
        (name, certificate)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        openssl(self.directory.path(), arguments);
    }
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

const CONFIG: &str = "\
[req]
distinguished_name=name
[name]
[ca]
default_ca=ours
[ours]
certificate=ca.crt
private_key=ca.key
database=index
serial=serial
crlnumber=crlnumber
new_certs_dir=signed
default_md=sha256
policy=anything
unique_subject=no
[anything]
commonName=supplied
[authority]
basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=hash
";
