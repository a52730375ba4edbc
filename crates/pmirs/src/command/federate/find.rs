//! Which federation somebody means, and which model it begins from.

use pmirs_encoder::Pack;
use pmirs_vault::Vault;
use pmirs_vault::federate::Part;
use pmirs_wire::Digest;
use pmirs_wire::federation::{FederationRow, Phase};

use crate::exit::Exit;
use crate::output::plain;
use crate::report::Failure;

/// A federation by its address, its name, or the beginning of its identifier; by the cloud's address or by nothing, the only
/// one that goes on, or else the only one there is.
pub fn federation(vault: &Vault, named: Option<&str>) -> Result<Digest, Failure> {
    let home = vault.status()?.url.unwrap_or_default();
    if let Some(named) = named.filter(|named| named.contains("://"))
        && !named.trim_end_matches('/').strip_prefix(home.trim_end_matches('/')).is_some_and(is_path)
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("{} is not this home's cloud, which is {}", plain(named), plain(&home)),
            "log in there with another home (--home DIR), or ask for the federation's address again",
        ));
    }
    let named = named.filter(|named| !named.contains("://") || named.contains("/federations/")).unwrap_or("");
    let last = named.trim_end_matches('/').rsplit('/').next().unwrap_or(named);
    if let Ok(id) = last.parse() {
        return Ok(id);
    }
    let mut known = vault.federations()?;
    let goes_on = |row: &FederationRow| !matches!(row.phase, Phase::Finished | Phase::Stopped);
    if last.is_empty() && known.iter().any(goes_on) {
        known.retain(goes_on);
    }
    // Every identifier begins with nothing.
    let fits = known.iter().filter(|row| row.name == last || row.id.to_string().starts_with(last));
    let mut found = fits.map(|row| row.id);
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Failure::new(
            Exit::NotFound,
            match last {
                "" => "there is no federation that you own or are a member of".to_owned(),
                last => format!("there is no federation '{last}' that you own or are a member of"),
            },
            "`pmirs federate status` lists them; ask its owner whether you are in the group",
        )),
        (Some(_), Some(_)) => Err(Failure::new(
            Exit::Usage,
            match last {
                "" => "you own or are a member of several federations".to_owned(),
                last => format!("several federations are meant by '{last}'"),
            },
            "name one, or give more characters of its identifier: `pmirs federate status` shows both",
        )),
    }
}

fn is_path(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// How a charter names the pack that training begins from.
pub fn base(pack: &Pack) -> String {
    let manifest = pack.manifest();
    format!("{} {} {}", manifest.name, manifest.version, Digest(pack.digest().unwrap_or_default()))
}

/// What trains.
pub fn part(text: &str) -> Result<Part, Failure> {
    text.parse().map_err(|reason: String| {
        Failure::new(Exit::Usage, reason, "it is heads, all, adapter, or adapter:WEIGHTS")
    })
}
