//! A crate edge is a trust edge: what the servers can reach, and who names ciphers, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};

use crate::house::{CIPHER_EXCEPTIONS, CIPHERS, CRYPTO, FLOORS, FORBIDDEN_EDGES, SERVERS, UNDERSTANDING};

/// Checks the whole workspace, all features on, and prints what was found.
///
/// # Errors
///
/// One line for each edge that must not be, with the path that leads there.
pub fn check() -> Result<(), String> {
    let metadata = MetadataCommand::new()
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked".to_owned()])
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let graph = Graph::resolved(&metadata)?;
    let faults: Vec<String> =
        [server_faults(&graph), floor_faults(&graph), cipher_faults(&named_directly(&metadata))].concat();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The workspace's crates and all that they link or run at build time.
struct Graph {
    /// Each package's direct dependencies by normal and build edges. Versions of one name are one node here:
    /// it can only make the check stricter.
    edges: BTreeMap<String, BTreeSet<String>>,
    members: BTreeSet<String>,
}

impl Graph {
    fn resolved(metadata: &Metadata) -> Result<Self, String> {
        let names: BTreeMap<_, _> =
            metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
        let resolve = metadata.resolve.as_ref().ok_or("cargo metadata resolved no dependency graph")?;
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &resolve.nodes {
            let name = names.get(&node.id).ok_or("cargo metadata names a package that it does not list")?;
            let linked = node.deps.iter().filter(|dep| {
                let counts = |kind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
                dep.dep_kinds.iter().any(|info| counts(info.kind))
            });
            let linked = linked.filter_map(|dep| names.get(&dep.pkg).cloned());
            edges.entry(name.clone()).or_default().extend(linked);
        }
        let members = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
        Ok(Self { edges, members })
    }

    fn direct(&self, name: &str) -> impl Iterator<Item = &str> {
        self.edges.get(name).into_iter().flatten().map(String::as_str)
    }

    /// The shortest path from one crate to another.
    fn path<'a>(&'a self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let mut reached_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(name) = queue.pop_front() {
            if name == to {
                let back = std::iter::successors(Some(name), |name| reached_from.get(name).copied());
                let mut path: Vec<&str> = back.collect();
                path.reverse();
                return Some(path);
            }
            for next in self.direct(name) {
                if next != from && !reached_from.contains_key(next) {
                    reached_from.insert(next, name);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

fn server_faults(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for server in SERVERS {
        if !graph.members.contains(server) {
            faults.push(format!("{server}: the crate is gone; correct xtask/src/house.rs"));
            continue;
        }
        let paths = UNDERSTANDING.iter().filter_map(|crate_| graph.path(server, crate_));
        let found: Vec<String> =
            paths.map(|path| format!("{server} must not reach this: {}", path.join(" -> "))).collect();
        if found.is_empty() {
            println!("{server}: reaches none of {}", UNDERSTANDING.join(", "));
        }
        faults.extend(found);
    }
    faults
}

fn floor_faults(graph: &Graph) -> Vec<String> {
    let floor_of = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut faults = Vec::new();
    for member in graph.members.iter().map(String::as_str).filter(|&member| member != "xtask") {
        let Some(floor) = floor_of(member) else {
            faults.push(format!("{member}: on no floor; give it one in xtask/src/house.rs"));
            continue;
        };
        for dependency in graph.direct(member) {
            let upward = floor_of(dependency).is_some_and(|below| below >= floor);
            if upward || FORBIDDEN_EDGES.contains(&(member, dependency)) {
                faults.push(format!("{member} -> {dependency}: dependencies go to lower floors only"));
            }
        }
    }
    if faults.is_empty() {
        println!("floors: every dependency between crates goes downward");
    }
    faults
}

/// What each member's manifest names: normal, build and dev, optional ones included.
fn named_directly(metadata: &Metadata) -> Vec<(String, String)> {
    let members = metadata.workspace_packages();
    let named = members.iter().flat_map(|package| {
        package.dependencies.iter().map(|dependency| (package.name.to_string(), dependency.name.clone()))
    });
    named.collect()
}

fn cipher_faults(named: &[(String, String)]) -> Vec<String> {
    let faults: Vec<String> = named
        .iter()
        .map(|(member, dependency)| (member.as_str(), dependency.as_str()))
        .filter(|(member, dependency)| *member != CRYPTO && CIPHERS.contains(dependency))
        .filter(|edge| !CIPHER_EXCEPTIONS.contains(edge))
        .map(|(member, cipher)| format!("{member} names {cipher}: only {CRYPTO} names cipher crates"))
        .collect();
    if faults.is_empty() {
        println!("ciphers: only {CRYPTO} names cipher crates");
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(members: &[&str], edges: &[(&str, &str)]) -> Graph {
        let mut drawn: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in edges {
            drawn.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        Graph { edges: drawn, members: members.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_server_that_reaches_understanding_over_others_is_named_with_the_path() {
        let edges = [("pmirs-cloud", "x"), ("x", "y"), ("y", "x"), ("y", "pmirs-veil")];
        let faults = server_faults(&graph(&["pmirs-cloud", "pmirs-party"], &edges));
        assert_eq!(faults, ["pmirs-cloud must not reach this: pmirs-cloud -> x -> y -> pmirs-veil"]);
    }

    #[test]
    fn both_servers_are_checked_and_must_exist() {
        let faults = server_faults(&graph(&["pmirs-party"], &[("pmirs-party", "pmirs-encoder")]));
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("pmirs-cloud: the crate is gone"));
        assert_eq!(faults[1], "pmirs-party must not reach this: pmirs-party -> pmirs-encoder");
    }

    #[test]
    fn edges_upward_or_along_a_floor_are_faults() {
        let members = ["pmirs-crypto", "pmirs-wire", "pmirs-federated", "pmirs-new"];
        let edges = [
            ("pmirs-wire", "pmirs-crypto"),
            ("pmirs-crypto", "pmirs-wire"),
            ("pmirs-wire", "pmirs-index"),
            ("pmirs-federated", "pmirs-encoder"),
        ];
        let faults = floor_faults(&graph(&members, &edges));
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("pmirs-new: on no floor")));
        assert!(!faults.iter().any(|fault| fault.starts_with("pmirs-wire -> pmirs-crypto")));
    }

    #[test]
    fn only_crypto_and_the_exceptions_name_ciphers() {
        let pair = |member: &str, cipher: &str| (member.to_owned(), cipher.to_owned());
        let faults = cipher_faults(&[
            pair("pmirs-crypto", "aes-gcm"),
            pair("pmirs-lab", "cbc"),
            pair("pmirs-vault", "sha2"),
            pair("pmirs-vault", "rustls"),
        ]);
        assert_eq!(faults, ["pmirs-vault names sha2: only pmirs-crypto names cipher crates"]);
    }

    #[test]
    fn this_workspace_keeps_its_trust_edges() {
        assert_eq!(check(), Ok(()));
    }
}
