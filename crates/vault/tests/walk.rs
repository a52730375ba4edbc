//! Every byte that the server stored, logged or received: nothing of what a person added is readable in it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use pmirs_cloud::{Class, inspect};
use pmirs_encoder::{Encoder, Limits, Picture};
use pmirs_vault::{AddOptions, LoginOptions, Protection, Query, Quiet, SearchOptions};
use tracing_subscriber::fmt::MakeWriter;
use world::World;

const CAPTION: &str = "the lake behind our house in autumn";
const QUERY: &str = "somewhere quiet to swim with the children";

/// Bytes that several threads write and the test reads.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Tape {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A wire-tapper before the server: passes everything on and keeps a copy.
fn tap(server: std::net::SocketAddr, tape: &Tape) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tape = tape.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(server).unwrap();
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), upstream.try_clone().unwrap()), (upstream, client)]
            {
                let mut tape = tape.clone();
                thread::spawn(move || {
                    let mut buffer = [0; 16 << 10];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        tape.write_all(&buffer[..count]).unwrap();
                        if to.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    url
}

/// Things that must not be readable anywhere, by what to call them.
fn secrets(world: &World, folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut secrets = vec![
        ("the caption".to_owned(), CAPTION.as_bytes().to_vec()),
        ("the query".to_owned(), QUERY.as_bytes().to_vec()),
        ("the collection's name".to_owned(), b"holiday album".to_vec()),
        ("the model's name".to_owned(), b"compact".to_vec()),
    ];
    for name in ["stripes.png", "dog.txt", "invoice.md", "image/png", "text/plain"] {
        secrets.push((format!("the name '{name}'"), name.as_bytes().to_vec()));
    }
    for file in ["notes/dog.txt", "notes/invoice.md"] {
        secrets.push((format!("the text of {file}"), fs::read(folder.join(file)).unwrap()));
    }
    let png = fs::read(folder.join("stripes.png")).unwrap();
    let picture = Picture::decode(&png, &Limits::default()).unwrap();
    secrets.push(("a picture file".to_owned(), png[8..40].to_vec()));
    secrets.push(("a pixel row".to_owned(), picture.rgb()[..3 * picture.width() as usize].to_vec()));

    let encoder = Encoder::compact_builtin().unwrap();
    let of_picture = encoder.embed_images(&[picture]).unwrap().remove(0);
    let of_query = encoder.embed_texts(&[QUERY]).unwrap().remove(0);
    for (what, embedding) in [("picture", of_picture), ("query", of_query)] {
        let values = &embedding.as_slice()[..16];
        let floats: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let fixed: Vec<u8> =
            values.iter().flat_map(|x| ((x * 32767.0).round() as i16).to_le_bytes()).collect();
        let quantised = pmirs_index::quantise(embedding.as_slice()).unwrap().values;
        let int8: Vec<u8> = quantised[..16].iter().map(|&x| x as u8).collect();
        for (form, bytes) in [("floats", floats), ("16-bit", fixed), ("int8", int8)] {
            secrets.push((format!("the {what}'s embedding as {form}"), bytes));
        }
    }
    let words: Vec<&str> = world.words.split(' ').collect();
    secrets.push(("the recovery words".to_owned(), words[..4].join(" ").into_bytes()));
    secrets
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn every_file(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_file(&path, bytes);
        } else {
            bytes.extend_from_slice(path.to_string_lossy().as_bytes());
            bytes.extend(fs::read(&path).unwrap());
        }
    }
}

#[test]
fn nothing_readable_is_stored_logged_or_sent() {
    let logs = Tape::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(logs.clone()).json().init();
    let world = World::new();
    let folder = world.pictures();
    let traffic = Tape::default();
    let url = tap(world.cloud.local_addr(), &traffic);
    let invite = Some(world.cloud.invite().unwrap());
    world.vault.login(&url, &LoginOptions { invite, ..LoginOptions::default() }).unwrap();

    let captions = world.folder.path().join("captions.tsv");
    fs::write(&captions, format!("image\tcaption\nblue.png\t{CAPTION}\n")).unwrap();
    for protection in Protection::ONE_CLOUD {
        let name = format!("holiday album {protection}");
        let collection = world.vault.create_collection(&name, protection).unwrap();
        let options = AddOptions { captions: Some(captions.clone()) };
        assert_eq!(collection.add(std::slice::from_ref(&folder), &options, &Quiet).unwrap().added, 6);
        let answer = collection.search(&Query::text(QUERY), &SearchOptions::default()).unwrap();
        assert_eq!(answer.hits.len(), 6);
        for hit in &answer.hits {
            collection.get(hit.item).unwrap();
        }
        assert!(collection.verify(&Quiet).unwrap().faults.is_empty());
    }

    let mut stored = Vec::new();
    every_file(&world.folder.path().join("cloud"), &mut stored);
    let (logged, sent) = (logs.bytes(), traffic.bytes());
    assert!(
        stored.len() > 10_000 && sent.len() > 10_000 && logged.len() > 1_000,
        "there was nothing to search"
    );
    for (what, secret) in secrets(&world, &folder) {
        assert!(!contains(&stored, &secret), "the data folder holds {what}");
        assert!(!contains(&logged, &secret), "the log holds {what}");
        assert!(!contains(&sent, &secret), "the traffic holds {what}");
    }
    // The search itself can find something: what is public must be there.
    assert!(contains(&stored, b"veiled") && contains(&sent, b"/v1/envelope") && contains(&logged, b"level"));
    each_field_is_what_it_is_declared_to_be(&world);
}

/// Each stored field parses as what it is declared to be. Sealed ones authenticate: `verify` opened all of
/// them above, and nothing sealed belongs to anything else.
fn each_field_is_what_it_is_declared_to_be(world: &World) {
    let fields = inspect(&world.folder.path().join("cloud")).unwrap();
    let mut seen = BTreeSet::new();
    for field in &fields {
        let what = format!("{}.{} of {}", field.table, field.column, field.row);
        let text = std::str::from_utf8(&field.bytes).unwrap_or("");
        seen.insert(format!("{:?}", field.class));
        match field.class {
            Class::Public => {
                let number = text.is_empty() || text.parse::<f64>().is_ok();
                let word = ["sealed", "veiled", "collections", "items"].contains(&text);
                assert!(number || word, "{what}: {text:?}");
            }
            Class::Identifier => assert!([16, 32].contains(&field.bytes.len()), "{what}"),
            Class::Hash => assert_eq!(field.bytes.len(), 32, "{what}"),
            Class::PublicKey => match field.bytes.first_chunk().filter(|_| field.table == "devices") {
                Some(key) => drop(pmirs_crypto::DevicePublicKey::from_bytes(key).unwrap()),
                None => drop(pmirs_crypto::PublicIdentity::from_bytes(&field.bytes).unwrap()),
            },
            Class::Sealed | Class::Grant => {
                assert!(looks_random(&field.bytes[1..]), "{what} is not ciphertext");
            }
            Class::Veiled => {
                let scale = text.parse::<f32>().is_ok_and(|scale| scale > 0.0);
                assert!(scale || field.bytes.len() == 320, "{what}: {} bytes", field.bytes.len());
            }
            Class::Token => assert_eq!(field.bytes.len() % 32, 0, "{what}"),
            Class::Signed | Class::ChosenName | Class::Federated | Class::ServerSecret => {
                assert!(!field.bytes.is_empty(), "{what}");
            }
        }
    }
    let shared = ["Signed", "ChosenName", "Token"];
    for class in
        ["Public", "Identifier", "PublicKey", "Hash", "Sealed", "Grant", "Veiled"].iter().chain(&shared)
    {
        assert!(seen.contains(*class), "no field is {class}: {seen:?}");
    }
}

/// No byte value is much more frequent than chance allows: text, zeros and pixels all fail this.
fn looks_random(bytes: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let expected = bytes.len() as f64 / 256.0;
    let most = counts.iter().max().copied().unwrap_or(0) as f64;
    bytes.len() >= 28 && most <= expected + 8.0 * expected.sqrt() + 6.0
}
