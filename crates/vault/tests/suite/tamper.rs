//! A server or a disk that alters things: every single byte of every stored record and of every answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pmirs_vault::remote::{Exchange, Transport, TransportError};
use pmirs_vault::{Collection, ItemId, Protection, Query, Quiet, SearchOptions, VaultError, VerifyReport};
use pmirs_wire::envelope::InnerRequest;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::world::{World, plain};
use crate::{add, home};

/// A world whose collection holds one small picture and one note.
fn small_world(protection: Protection) -> World {
    let world = World::new();
    let folder = world.folder.path().join("small");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("red.png"), plain(8, 8, [200, 30, 30])).unwrap();
    fs::write(folder.join("dog.txt"), "a dog").unwrap();
    add(&world.vault.create_collection("album", protection).unwrap(), &folder);
    world
}

/// What an honest server gives: contents by item, and the hits of one search.
#[derive(Debug, PartialEq)]
struct Truth {
    contents: BTreeMap<ItemId, Vec<u8>>,
    hits: Vec<(ItemId, String)>,
}

fn query() -> Query {
    Query::text("a dog")
}

fn honest(collection: &Collection<'_>) -> Truth {
    let items = collection.items().unwrap();
    let contents = items.iter().map(|it| (it.item, collection.get(it.item).unwrap().1)).collect();
    let hits = collection.search(&query(), &SearchOptions::default()).unwrap().hits;
    Truth { contents, hits: hits.into_iter().map(|hit| (hit.item, hit.meta.name)).collect() }
}

/// Whatever the server does: right content or an error, for every item and for the search.
fn never_wrong(collection: &Collection<'_>, truth: &Truth, what: &str) {
    contents_are_right(collection, truth, what);
    hits_are_right(collection, truth, what);
}

fn contents_are_right(collection: &Collection<'_>, truth: &Truth, what: &str) {
    for (&item, content) in &truth.contents {
        if let Ok((_, got)) = collection.get(item) {
            assert_eq!(&got, content, "{what}: wrong content");
        }
    }
}

fn hits_are_right(collection: &Collection<'_>, truth: &Truth, what: &str) {
    if let Ok(answer) = collection.search(&query(), &SearchOptions::default()) {
        for hit in answer.hits {
            let right = truth.hits.iter().any(|(item, name)| (*item, name) == (hit.item, &hit.meta.name));
            assert!(right, "{what}: the search shows {:?}", hit.meta.name);
        }
    }
}

/// An answer: the path that was asked, and how often it was asked before. Some are asked at the same time, so
/// their order says nothing.
type Asked = (String, usize);

/// What becomes of the next answers.
#[derive(Default)]
struct Script {
    /// Bytes of each answer so far.
    lengths: BTreeMap<Asked, usize>,
    /// The answer to alter, and which byte of it.
    lie: Option<(Asked, usize)>,
}

/// A server that alters what its script says.
struct Lying {
    honest: Box<dyn Transport>,
    script: Arc<Mutex<Script>>,
}

impl Transport for Lying {
    fn exchange(&self, request: &InnerRequest) -> Result<Exchange, TransportError> {
        let mut exchange = self.honest.exchange(request)?;
        let mut script = self.script.lock().unwrap();
        let body = &mut exchange.response.body.0;
        let before = script.lengths.keys().filter(|(path, _)| *path == request.path).count();
        let asked = (request.path.clone(), before);
        script.lengths.insert(asked.clone(), body.len());
        if let Some((answer, at)) = &script.lie
            && *answer == asked
            && let Some(byte) = body.get_mut(*at)
        {
            *byte ^= 1 << (at % 8);
        }
        Ok(exchange)
    }

    fn name(&self) -> &'static str {
        "a lying server"
    }
}

/// A client whose answers are altered by a script.
struct Client {
    world: World,
    truth: Truth,
    report: VerifyReport,
    script: Arc<Mutex<Script>>,
    local: Connection,
}

impl Client {
    fn new(protection: Protection) -> Self {
        let world = small_world(protection);
        let collection = world.vault.collection("album").unwrap();
        let truth = honest(&collection);
        let report = collection.verify(&Quiet).unwrap();
        drop(collection);
        let script = Arc::new(Mutex::new(Script::default()));
        let lying = |honest| -> Box<dyn Transport> { Box::new(Lying { honest, script: script.clone() }) };
        world.vault.dangerous_wrap_transport(lying).unwrap();
        let local = Connection::open(home(&world).join("local.db")).unwrap();
        local.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        local.pragma_update(None, "synchronous", "OFF").unwrap();
        Self { world, truth, report, script, local }
    }

    /// From here on the server tells this lie, or the truth.
    fn answers(&self, lie: Option<(Asked, usize)>) {
        *self.script.lock().unwrap() = Script { lengths: BTreeMap::new(), lie };
    }

    /// Forgets what was followed, so that all of it is asked for again: the log where a collection is opened, the
    /// items for all else.
    fn forget(&self, operation: Operation) {
        let tables: &[&str] = match operation {
            Operation::Open => &["record", "synced", "history", "entry", "leaf"],
            _ => &["record", "synced"],
        };
        for table in tables {
            self.local.execute(&format!("DELETE FROM {table}"), []).unwrap();
        }
    }

    fn collection(&self) -> Result<Collection<'_>, VaultError> {
        self.world.vault.collection("album")
    }

    /// Runs one operation under a lie, and says how long the answers were.
    fn run(&self, operation: Operation, lie: Option<&(Asked, usize)>) -> BTreeMap<Asked, usize> {
        let what = format!("{operation:?}, answer and byte {lie:?}");
        self.forget(operation);
        self.answers(lie.filter(|_| operation == Operation::Open).cloned());
        let opened = self.collection();
        if operation != Operation::Open {
            self.answers(lie.cloned());
        }
        let told = || self.script.lock().unwrap().lengths.clone();
        let Ok(collection) = opened else { return told() };
        match operation {
            Operation::Open => {
                let lengths = told();
                never_wrong(&collection, &self.truth, &what);
                return lengths;
            }
            Operation::Get => contents_are_right(&collection, &self.truth, &what),
            Operation::Search => {
                hits_are_right(&collection, &self.truth, &what);
                let lengths = told();
                // A lie that was told once is not remembered: the next search asks an honest server.
                self.answers(None);
                let again = self.collection().and_then(|it| it.search(&query(), &SearchOptions::default()));
                // But for a history that is said to be longer: the honest one is then too short ever after.
                let longer = matches!(again, Err(VaultError::Altered { field: "history", .. }));
                assert!(again.is_ok() || longer, "{what}: {again:?}");
                return lengths;
            }
            Operation::Verify => match collection.verify(&Quiet) {
                Ok(report) if lie.is_some() => {
                    // A changed letter in the name of a field that is absent anyway changes nothing.
                    assert!(!report.faults.is_empty() || report == self.report, "{what}: {report:?}");
                }
                Ok(report) => assert_eq!(report, self.report),
                Err(error) => assert!(lie.is_some(), "{what}: {error}"),
            },
        }
        told()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Open,
    Get,
    Search,
    Verify,
}

fn every_byte_of_every_answer(protection: Protection) {
    let client = Client::new(protection);
    let mut flips = 0;
    for operation in [Operation::Open, Operation::Get, Operation::Search, Operation::Verify] {
        let lengths = client.run(operation, None);
        for (answer, length) in lengths {
            for at in 0..length {
                client.run(operation, Some(&(answer.clone(), at)));
                flips += 1;
            }
        }
    }
    assert!(flips > 5_000, "{protection}: only {flips} bytes were flipped");
    client.answers(None);
    assert_eq!(honest(&client.collection().unwrap()), client.truth);
}

#[test]
fn every_byte_of_every_answer_at_sealed() {
    every_byte_of_every_answer(Protection::Sealed);
}

#[test]
fn every_byte_of_every_answer_at_veiled() {
    every_byte_of_every_answer(Protection::Veiled);
}

/// One stored cell: where it is, and what it held.
struct Cell {
    table: String,
    row: i64,
    column: String,
    value: Value,
}

/// Every cell of the tables that hold a collection. `WITHOUT ROWID` tables are reached by their only row.
fn cells(database: &Connection) -> Vec<Cell> {
    let mut cells = Vec::new();
    for table in ["collections", "grants", "items"] {
        let mut statement = database.prepare(&format!("SELECT rowid AS at, * FROM {table}")).unwrap();
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (at, column) in columns.iter().enumerate().skip(1) {
                let (table, column) = (table.to_owned(), column.clone());
                cells.push(Cell { table, row: row.get(0).unwrap(), column, value: row.get(at).unwrap() });
            }
        }
    }
    cells
}

/// Every value that differs from this one in one byte (numbers: in one bit).
fn neighbours(value: &Value) -> Vec<Value> {
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    };
    match value {
        Value::Blob(bytes) => (0..bytes.len()).map(|at| Value::Blob(flip(bytes, at))).collect(),
        Value::Integer(number) => (0..33).map(|bit| Value::Integer(number ^ (1 << bit))).collect(),
        Value::Text(text) if text == "sealed" => vec![Value::Text("veiled".to_owned())],
        Value::Text(_) => vec![Value::Text("sealed".to_owned())],
        Value::Real(_) | Value::Null => Vec::new(),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

fn database(world: &World) -> Connection {
    let files = files_below(&world.folder.path().join("cloud"));
    let path = files.iter().find(|path| path.extension().is_some_and(|it| it == "db" || it == "sqlite"));
    let database = Connection::open(path.expect("the cloud's database")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.pragma_update(None, "synchronous", "OFF").unwrap();
    database
}

fn verify(world: &World) -> Result<VerifyReport, VaultError> {
    world.vault.collection("album")?.verify(&Quiet)
}

/// The fields that `verify` may name for a column that was altered.
fn expected_fields(column: &str) -> &'static [&'static str] {
    match column {
        "meta" => &["metadata"],
        "embedding" => &["embedding"],
        "content_len" => &["content length", "content"],
        "dims" | "scale" => &["veiled vector", "record"],
        "blob" => &["content", "record"],
        _ => &["metadata", "embedding", "content", "record", "veiled vector", "epoch", "content length"],
    }
}

#[test]
fn every_byte_of_every_stored_record_at_sealed() {
    every_byte_of_every_stored_record(Protection::Sealed);
}

#[test]
fn every_byte_of_every_stored_record_at_veiled() {
    every_byte_of_every_stored_record(Protection::Veiled);
}

fn every_byte_of_every_stored_record(protection: Protection) {
    let world = small_world(protection);
    let truth = honest(&world.vault.collection("album").unwrap());
    let database = database(&world);
    assert!(verify(&world).unwrap().faults.is_empty());
    let mut flips = 0;
    for cell in cells(&database) {
        let Cell { table, row, column, value } = &cell;
        // Row numbers are the server's own bookkeeping; altering them can only lose rows, which the items'
        // own columns below cover. A change number that grows is remembered as seen, so that the client
        // rightly calls the restored history too short ever after. Leaves and a collection's epoch are what the
        // server checks entries of a log by, and accesses are counted for owners; `verify` is sent none of them.
        let own = ["place", "row", "seq", "leaf", "accesses"].contains(&column.as_str());
        if own || (table == "collections" && column == "epoch") {
            continue;
        }
        let update = format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ?2");
        for altered in neighbours(value) {
            let what = format!("{protection}, {table}.{column} of row {row}");
            // The schema itself refuses some values: nothing was altered then.
            if database.execute(&update, (&altered, row)).is_err() {
                continue;
            }
            flips += 1;
            let named = match verify(&world) {
                Ok(report) if table == "items" => {
                    report.faults.iter().any(|fault| expected_fields(column).contains(&fault.field))
                }
                Ok(_) => column == "created_ms",
                Err(_) => true,
            };
            assert!(named, "{what}: verify does not name it");
            if let Ok(collection) = world.vault.collection("album") {
                never_wrong(&collection, &truth, &what);
            }
            database.execute(&update, (value, row)).unwrap();
        }
    }
    assert!(verify(&world).unwrap().faults.is_empty(), "{protection}: not restored");
    assert!(flips > 1_000, "{protection}: only {flips} bytes were flipped");
}

#[test]
fn every_byte_of_a_stored_content() {
    let world = small_world(Protection::Sealed);
    let collection = world.vault.collection("album").unwrap();
    let truth = honest(&collection);
    let mut flips = 0;
    for path in files_below(&world.folder.path().join("cloud/content")) {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            fs::write(&path, &altered).unwrap();
            for (&item, content) in &truth.contents {
                match collection.get(item) {
                    Ok((_, got)) => assert_eq!(&got, content),
                    Err(error) => {
                        assert!(matches!(error, VaultError::Altered { field: "content", .. }), "{error}");
                    }
                }
            }
            let faults = collection.verify(&Quiet).unwrap().faults;
            assert_eq!(faults.len(), 1, "byte {at}");
            assert_eq!(faults[0].field, "content");
            flips += 1;
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(collection.verify(&Quiet).unwrap().faults[0].field, "content", "a cut content");
        fs::remove_file(&path).unwrap();
        assert_eq!(collection.verify(&Quiet).unwrap().faults[0].field, "content", "a lost content");
        fs::write(&path, &whole).unwrap();
    }
    assert!(flips > 100);
    assert_eq!(honest(&collection), truth);
}

#[test]
fn every_byte_of_a_stored_veiled_vector() {
    let world = small_world(Protection::Veiled);
    let database = database(&world);
    let truth = honest(&world.vault.collection("album").unwrap());
    let mut statement = database.prepare("SELECT row, dims, scale FROM veiled").unwrap();
    let rows: Vec<(i64, Vec<u8>, f64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(rows.len(), 2);
    for (row, dims, scale) in rows {
        let name_it = |what: &str| {
            let faults = verify(&world).unwrap().faults;
            assert!(faults.iter().any(|fault| fault.field == "veiled vector"), "{what}: {faults:?}");
            never_wrong(&world.vault.collection("album").unwrap(), &truth, what);
        };
        for at in 0..dims.len() {
            let mut altered = dims.clone();
            altered[at] ^= 1 << (at % 8);
            database.execute("UPDATE veiled SET dims = ?1 WHERE row = ?2", (&altered, row)).unwrap();
            name_it(&format!("byte {at}"));
        }
        database.execute("UPDATE veiled SET dims = ?1 WHERE row = ?2", (&dims, row)).unwrap();
        database.execute("UPDATE veiled SET scale = ?1 WHERE row = ?2", (scale * 1.5, row)).unwrap();
        name_it("scale");
        database.execute("UPDATE veiled SET scale = ?1 WHERE row = ?2", (scale, row)).unwrap();
    }
    assert!(verify(&world).unwrap().faults.is_empty());
}
