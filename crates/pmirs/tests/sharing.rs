//! Three people and four devices share collections, typed: over TCP and TLS, from invites to revocation and new keys.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use world::{Cloud, PASSPHRASE, Person};

const QUESTION: &str = "repairing a bicycle";

/// A certificate of the tests' own authority.
fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cloud/tests/fixtures").join(name);
    path.to_str().unwrap().to_owned()
}

/// A cloud that speaks TLS.
fn serve(data: &Path) -> Cloud {
    let (certificate, key) = (fixture("localhost.crt"), fixture("localhost.key"));
    Cloud::start(data, &["--tls-cert", &certificate, "--tls-key", &key])
}

/// Everybody, logged in, with the cloud between them.
struct Team {
    anna: Person,
    ben: Person,
    /// Ben again, on another computer.
    bens_laptop: Person,
    cleo: Person,
    cloud: Cloud,
}

impl Team {
    fn gather() -> Self {
        let [anna, ben, bens_laptop, cleo] = [(); 4].map(|()| Person::new());
        let cloud = serve(&anna.path("cloud"));
        assert!(cloud.url.starts_with("https://"), "{}", cloud.url);
        for person in [&anna, &ben, &bens_laptop, &cleo] {
            fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
        }
        let team = Self { anna, ben, bens_laptop, cleo, cloud };
        team.log_in();
        team
    }

    fn log_in(&self) {
        let Self { anna, ben, bens_laptop, cleo, cloud } = self;
        let authority = fixture("localhost.crt");
        let login = |person: &Person, invite: &str, name: &str| {
            let command = ["login", &cloud.url, "--invite-file", invite, "--name", name, "--ca", &authority];
            person.says(&command)
        };
        start(anna);
        let first = cloud.first_invite.to_str().unwrap();
        // A certificate that nobody vouches for is not taken.
        let told = anna.fails(5, &["login", &cloud.url, "--invite-file", first, "--name", "anna"]);
        assert!(told.contains("--ca FILE"), "{told}");
        assert_eq!(login(anna, first, "anna")["name"], "anna");

        let words = start(ben);
        start(cleo);
        let [for_ben, for_cleo] = ["ben.invite", "cleo.invite"].map(|file| {
            anna.says(&["invite", "--out", file]);
            assert_private(&anna.path(file));
            anna.path(file).to_str().unwrap().to_owned()
        });
        anna.fails(7, &["invite", "--out", "ben.invite"]);
        let taken = ["login", &cloud.url, "--invite-file", &for_ben, "--name", "anna", "--ca", &authority];
        assert!(ben.fails(7, &taken).contains("the invite is not spent"));
        assert_eq!(login(ben, &for_ben, "ben")["registered"], true);
        assert_eq!(login(cleo, &for_cleo, "cleo")["registered"], true);
        ben.fails(8, &["invite"]);

        // The second computer knows the 24 words, and gets no new account.
        fs::write(bens_laptop.path("words"), words).unwrap();
        bens_laptop.says(&["restore", "--words-file", "words", "--passphrase-file", "passphrase"]);
        bens_laptop.says(&["unlock", "--passphrase-file", "passphrase"]);
        let again = bens_laptop.says(&["login", &cloud.url, "--ca", &authority]);
        assert_eq!(again["registered"], false);
    }

    /// Everybody pins everybody's key, and two of them compare words.
    fn meet(&self) {
        let Self { anna, ben, bens_laptop, cleo, .. } = self;
        let host = self.cloud.url.trim_start_matches("https://");
        let words = |person: &Person| person.says(&["status"])["safety_words"].as_str().unwrap().to_owned();
        let added = anna.says(&["contact", "add", &format!("ben@{host}")]);
        assert_eq!((&added["safety_words"], &added["verified"]), (&words(ben).into(), &false.into()));
        for (person, name) in [(anna, "cleo"), (ben, "anna"), (bens_laptop, "anna"), (cleo, "anna")] {
            person.says(&["contact", "add", name]);
        }
        assert!(anna.fails(3, &["contact", "add", "nobody"]).contains("nobody at this cloud"));
        anna.fails(2, &["contact", "add", "ben@elsewhere.example"]);
        anna.fails(2, &["contact", "verify", "ben"]);

        fs::write(anna.path("from-cleo"), words(cleo)).unwrap();
        fs::write(anna.path("from-ben"), words(ben)).unwrap();
        let told = anna.fails(6, &["contact", "verify", "ben", "--words-file", "from-cleo"]);
        assert!(told.contains(&words(ben)), "{told}");
        assert_eq!(anna.says(&["contact", "list"])["contacts"][0]["verified"], false);
        let verified = anna.says(&["contact", "verify", "ben", "--words-file", "from-ben"]);
        assert_eq!(verified["verified"], true);
        let listed = anna.says(&["contact", "list"]);
        let standing = |at: usize| (&listed["contacts"][at]["name"], &listed["contacts"][at]["verified"]);
        assert_eq!(standing(0), (&"ben".into(), &true.into()));
        assert_eq!(standing(1), (&"cleo".into(), &false.into()));
    }

    /// A collection of Anna's with Ben as a writer and Cleo as a reader.
    fn share(&self, album: &str) {
        let Self { anna, ben, bens_laptop, cleo, .. } = self;
        anna.says(&["collection", "new", album, "--protection", album]);
        anna.fill("pictures");
        assert_eq!(anna.says(&["add", album, "pictures"])["added"], 4);
        anna.fails(3, &["share", album, "nobody"]);
        let (shared, told) = anna.says_and_warns(&["share", album, "ben"]);
        assert_eq!((&shared["role"], &shared["accepted"]), (&"reader".into(), &false.into()));
        assert!(!told.contains("warning"), "the key was compared: {told}");

        ben.fails(3, &["search", album, QUESTION]);
        let offered = ben.says(&["collection", "list"])["offered"].clone();
        assert_eq!(offered.as_array().unwrap().len(), 1, "{offered}");
        let Value::Object(offer) = &offered[0] else { panic!("{offered}") };
        assert_eq!((&offer["name"], &offer["from"]), (&album.into(), &"anna".into()));
        assert_eq!((&offer["role"], &offer["items"]), (&"reader".into(), &4.into()));
        ben.says(&["collection", "accept", album]);
        let owners = finds(anna, album);
        assert_eq!(owners.as_array().unwrap().len(), 4);
        for person in [ben, bens_laptop] {
            assert_eq!(finds(person, album), owners, "to the bit");
        }
        self.a_reader_only_reads(album);

        let again = anna.says(&["share", album, "ben", "--role", "writer"]);
        assert_eq!((&again["role"], &again["accepted"]), (&"writer".into(), &true.into()));
        let (_, told) = anna.says_and_warns(&["share", album, "cleo"]);
        assert!(told.contains("warning") && told.contains("pmirs contact verify cleo"), "{told}");
        cleo.says(&["collection", "decline", album]);
        cleo.fails(3, &["collection", "accept", album]);
        anna.says(&["share", album, "cleo"]);
        cleo.says(&["collection", "accept", album]);
        let listed = cleo.says(&["collection", "list"])["collections"].clone();
        let row = listed.as_array().unwrap().iter().find(|row| row["name"] == album).unwrap();
        assert_eq!((&row["role"], &row["members"]), (&"reader".into(), &3.into()));
    }

    fn a_reader_only_reads(&self, album: &str) {
        let ben = &self.ben;
        let item = finds(ben, album)[0]["item"].as_str().unwrap().to_owned();
        ben.says(&["get", album, &item, "-o", &format!("{album}.got")]);
        fs::write(ben.path("mine.txt"), "A letter from Ben.").unwrap();
        for refused in [
            vec!["add", album, "mine.txt"],
            vec!["rm", album, &item],
            vec!["share", album, "anna"],
            vec!["revoke", album, "anna"],
            vec!["rekey", album, "--full"],
        ] {
            let told = ben.fails(8, &refused);
            assert!(told.contains("a reader"), "{told}");
        }
        assert_eq!(finds(&self.anna, album).as_array().unwrap().len(), 4);
    }

    /// What Ben adds everybody finds, and the log says who did what.
    fn write(&self, album: &str) {
        let Self { anna, ben, cleo, .. } = self;
        fs::write(ben.path("bicycles.txt"), "Bicycles are repaired here while you wait.").unwrap();
        assert_eq!(ben.says(&["add", album, "bicycles.txt"])["added"], 1);
        let hits = finds(anna, album);
        let names: Vec<_> = hits.as_array().unwrap().iter().map(|hit| &hit["name"]).collect();
        assert!(names.len() == 5 && names.contains(&&"bicycles.txt".into()), "{hits}");
        assert_eq!(finds(cleo, album), hits);
        let texts = anna.says(&["search", album, QUESTION, "--cutoff", "none", "--type", "text"]);
        assert_eq!(texts["hits"].as_array().unwrap().len(), 2, "{texts}");
        let none = anna.says(&["search", album, QUESTION, "--cutoff", "none", "--before", "2001-01-01"]);
        assert_eq!(none["hits"], json!([]));

        let told = |person: &Person| -> Vec<String> {
            let log = person.says(&["log", album]);
            let entries = log["entries"].as_array().unwrap().clone();
            let word = |row: &Value, field: &str| row[field].as_str().unwrap_or("-").to_owned();
            assert!(entries.iter().all(|row| word(row, "at").ends_with('Z')));
            let added = |row: &Value| word(row, "action") == "added";
            let last = entries.iter().rfind(|row| added(row)).unwrap();
            assert_eq!(last["changed"].as_array().unwrap().len(), 1);
            let others = entries.iter().filter(|row| !added(row));
            let mut lines: Vec<String> = others
                .map(|row| ["by", "action", "whom", "role"].map(|field| word(row, field)).join(" "))
                .collect();
            lines.push(format!("{} added", word(last, "by")));
            lines
        };
        let entries = [
            "you created - -",
            "you shared ben reader",
            "ben accepted - -",
            "you shared ben writer",
            "you shared cleo reader",
            "cleo left - -",
            "you shared cleo reader",
            "cleo accepted - -",
            "ben added",
        ];
        assert_eq!(told(anna), entries);
        let bens = told(ben);
        assert_eq!(bens[1], "anna shared you reader");
        assert_eq!(bens.last().unwrap(), "you added");
        // Ben never made Cleo a contact, and sees words of her key instead.
        let cleos_words = cleo.says(&["status"])["safety_words"].as_str().unwrap().to_owned();
        let first = bens[4].split(' ').nth(2).unwrap();
        assert_eq!(cleos_words.split(' ').next(), Some(first), "{bens:?}");
    }

    /// Heads agree between people who were shown one history, and nothing else is taken for a head.
    fn compare(&self, album: &str) {
        let Self { anna, ben, .. } = self;
        let verified = anna.says(&["verify", album]);
        assert_eq!((&verified["items"], &verified["faults"]), (&5.into(), &json!([])));
        let head = &verified["heads"][0];
        let (number, words) = (head["number"].as_u64().unwrap(), head["words"].as_str().unwrap());
        assert_eq!(head["entries"].as_u64().unwrap(), number + 1);
        let same = ben.says(&["verify", album, "--head", words]);
        assert_eq!((&same["agrees"], &same["number"]), (&true.into(), &number.into()));
        let spoken: Vec<&str> = ["verify", album, "--head"].into_iter().chain(words.split(' ')).collect();
        assert_eq!(ben.says(&spoken)["number"], number);

        let other = anna.says(&["status"])["safety_words"].as_str().unwrap().to_owned();
        let told = ben.fails(6, &["verify", album, "--head", &other]);
        assert!(told.contains(&format!("the history of collection {album} forks")), "{told}");
        ben.fails(2, &["verify", album, "--head", "about", "eleven", "words"]);
    }

    /// Whoever is revoked is out at once, and the others are not disturbed.
    fn revoke(&self, album: &str) {
        let Self { anna, ben, cleo, .. } = self;
        let before = finds(anna, album);
        assert_eq!(finds(cleo, album), before);
        let revoked = anna.says(&["revoke", album, "cleo"]);
        // The very first request afterwards is refused, in a session that was open before.
        cleo.fails(3, &["search", album, QUESTION]);
        assert_eq!((&revoked["name"], &revoked["epoch"]), (&"cleo".into(), &1.into()));
        cleo.fails(3, &["log", album]);
        cleo.fails(3, &["get", album, before[0]["item"].as_str().unwrap()]);
        anna.fails(3, &["revoke", album, "cleo"]);
        assert_eq!(finds(ben, album), before);
        let shown = ben.says(&["collection", "show", album]);
        let roles: Vec<_> = shown["people"].as_array().unwrap().iter().map(|row| &row["role"]).collect();
        assert_eq!(roles.len(), 2, "{shown}");
    }

    /// Every item goes under a new key while Ben searches on both of his computers, and no answer changes.
    fn rekey(&self, album: &str) {
        let Self { anna, ben, bens_laptop, .. } = self;
        let before = finds(anna, album);
        let mut during = 0;
        // Which search falls into the run is up to the machine, so there may be several runs.
        for epoch in 2..12 {
            let mut running = anna.command(&["rekey", album, "--full", "--json"]);
            let mut running = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            while running.try_wait().unwrap().is_none() {
                assert_eq!(finds(ben, album), before);
                during += u32::from(running.try_wait().unwrap().is_none());
            }
            let output = running.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let rekeyed: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&rekeyed["moved"], &rekeyed["epoch"]), (&5.into(), &epoch.into()), "{rekeyed}");
            assert_eq!(rekeyed["retired"], json!([epoch - 1]));
            if during > 0 {
                break;
            }
        }
        assert!(during > 0, "no search ran during a rekey");
        for person in [anna, ben, bens_laptop] {
            assert_eq!(finds(person, album), before);
            assert_eq!(person.says(&["verify", album])["faults"], json!([]));
        }
    }

    /// The same as a job that is killed, at once or once it is at work; whatever was done by then, nothing is lost, and
    /// the next one goes on.
    fn rekey_in_the_background(&self, album: &str) {
        let Self { anna, ben, .. } = self;
        let before = finds(anna, album);
        let job = |number: &Value| {
            let listed = anna.says(&["jobs"])["jobs"].clone();
            listed.as_array().unwrap().iter().find(|row| row["job"] == *number).unwrap().clone()
        };
        let mut broken_off = 0;
        for round in 0..6 {
            let number = anna.says(&["rekey", album, "--full", "--background"])["job"].clone();
            while round % 2 == 1 && job(&number)["state"] == "running" && job(&number)["phase"] == "" {}
            let lock = Path::new(job(&number)["log"].as_str().unwrap()).with_file_name("lock");
            let process = fs::read_to_string(lock).unwrap();
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-9", &process]).stderr(Stdio::null()).status().unwrap();
            while job(&number)["state"] == "running" {}
            broken_off += u32::from(job(&number)["state"] == "broken_off");
            for person in [anna, ben] {
                assert_eq!(finds(person, album), before);
            }
        }
        assert!(broken_off > 0, "no job was killed");
        let number = anna.says(&["rekey", album, "--full", "--background"])["job"].clone();
        while job(&number)["state"] == "running" {}
        let ended = job(&number);
        assert_eq!((&ended["state"], &ended["answer"]["moved"]), (&"done".into(), &5.into()), "{ended}");
        assert_eq!(finds(ben, album), before);
        assert_eq!(ben.says(&["verify", album])["faults"], json!([]));
        anna.fails(3, &["rekey", "nothing", "--background"]);
        anna.fails(3, &["jobs", "stop", "1"]);
        assert_eq!(anna.says(&["jobs", "clear"])["cleared"], 7);
        assert_eq!(anna.says(&["jobs"])["jobs"], json!([]));
    }

    /// Anna hands the collection over and goes.
    fn hand_over(&self, album: &str) {
        let Self { anna, ben, bens_laptop, .. } = self;
        let before = finds(anna, album);
        anna.fails(2, &["collection", "leave", album]);
        assert!(anna.fails(8, &["collection", "leave", album, "--yes"]).contains("last owner"));
        anna.says(&["share", album, "ben", "--role", "owner"]);
        assert_eq!(anna.says(&["collection", "leave", album, "--yes"])["left"], album);
        anna.fails(3, &["search", album, QUESTION]);
        let listed = bens_laptop.says(&["collection", "list"])["collections"].clone();
        let row = listed.as_array().unwrap().iter().find(|row| row["name"] == album).unwrap();
        assert_eq!((&row["role"], &row["members"]), (&"owner".into(), &1.into()));
        assert_eq!(finds(ben, album), before);
        assert_eq!(ben.says(&["rekey", album, "--full"])["moved"], 5);
        assert_eq!(finds(bens_laptop, album), before);
        ben.says(&["collection", "delete", album, "--yes"]);
        bens_laptop.fails(3, &["search", album, QUESTION]);
    }
}

/// A new identity, held by its agent from here on; gives its recovery words.
fn start(person: &Person) -> String {
    let made = person.says(&["init", "--passphrase-file", "passphrase"]);
    person.says(&["unlock", "--passphrase-file", "passphrase"]);
    made["recovery_words"].as_str().unwrap().to_owned()
}

/// Everything that a person finds, with identifiers and exact scores, and with the cloud's answer checked whole.
fn finds(person: &Person, album: &str) -> Value {
    person.says(&["search", album, QUESTION, "--cutoff", "none", "--verify"])["hits"].clone()
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_private(_: &Path) {}

#[test]
fn three_people_share_until_they_part() {
    let team = Team::gather();
    team.meet();
    for album in ["veiled", "sealed"] {
        team.share(album);
        team.write(album);
        team.compare(album);
        team.revoke(album);
        team.rekey(album);
        team.rekey_in_the_background(album);
        team.hand_over(album);
    }
}

/// The cloud's folder as it is now, served a second time: what one side does is hidden from the other.
fn fork(team: &Team) -> Cloud {
    let (from, to) = (team.anna.path("cloud"), team.anna.path("fork"));
    copy(&from, &to);
    fs::remove_file(to.join("lock")).unwrap();
    serve(&to)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

#[test]
fn a_cloud_that_tells_two_stories_is_named_when_heads_meet() {
    let team = Team::gather();
    team.meet();
    let Team { anna, ben, cloud, .. } = &team;
    for album in ["veiled", "sealed"] {
        team.share(album);
    }
    let fork = fork(&team);
    let authority = fixture("localhost.crt");
    let moves = |url: &str| ben.says(&["login", url, "--ca", &authority]);
    moves(&fork.url);
    fs::write(anna.path("annas.txt"), "A letter from Anna.").unwrap();
    for album in ["veiled", "sealed"] {
        // Each goes on in a world of their own, where nothing is wrong.
        anna.says(&["add", album, "annas.txt"]);
        ben.says(&["add", album, "mine.txt"]);
        let head = |person: &Person| {
            let verified = person.says(&["verify", album]);
            assert_eq!((&verified["items"], &verified["faults"]), (&5.into(), &json!([])));
            verified["heads"][0]["words"].as_str().unwrap().to_owned()
        };
        let (annas, bens) = (head(anna), head(ben));
        // Twelve words, read out on the telephone.
        for (person, words) in [(anna, &bens), (ben, &annas)] {
            let told = person.fails(6, &["verify", album, "--head", words]);
            assert!(told.contains(&format!("the history of collection {album} forks at entry")), "{told}");
        }
    }
    // The cloud tells Ben what it told Anna.
    moves(&cloud.url);
    for album in ["veiled", "sealed"] {
        let told = ben.fails(6, &["search", album, QUESTION]);
        assert!(told.contains("forks at entry"), "{told}");
        assert_eq!(finds(anna, album).as_array().unwrap().len(), 5, "nothing is lost on the honest side");
    }
}

#[test]
fn a_key_that_the_cloud_exchanges_is_refused_until_the_words_are_compared() {
    let team = Team::gather();
    team.meet();
    let Team { anna, cleo, .. } = &team;
    anna.says(&["collection", "new", "album", "--protection", "sealed"]);
    let database = rusqlite::Connection::open(anna.path("cloud/cloud.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    for (name, other) in [("ben", "nobody"), ("cleo", "ben")] {
        let renamed = database.execute("UPDATE accounts SET name = ?2 WHERE name = ?1", [name, other]);
        assert_eq!(renamed.unwrap(), 1);
    }
    let cleos_words = cleo.says(&["status"])["safety_words"].as_str().unwrap().to_owned();
    for refused in [
        vec!["contact", "add", "ben"],
        vec!["share", "album", "ben"],
        vec!["contact", "verify", "ben", "--yes"],
        vec!["contact", "verify", "ben", "--words-file", "from-ben"],
    ] {
        let told = anna.fails(6, &refused);
        assert!(told.contains(&cleos_words), "{refused:?}: {told}");
    }
    assert_eq!(anna.says(&["collection", "show", "album"])["people"].as_array().unwrap().len(), 1);
    // A person may have a new key. Whose words they are is for people to find out.
    anna.says(&["contact", "verify", "ben", "--words-file", "from-cleo"]);
    anna.says(&["share", "album", "ben"]);
}
