//! What the program prints for single commands, as data files: `tests/cmd/`. `TRYCMD=overwrite` writes them
//! anew.

#[test]
fn commands_print_what_their_files_say() {
    trycmd::TestCases::new()
        .env("PMIRS_AGENT_TTL", "0")
        .env("COLUMNS", "100")
        .case("tests/cmd/*.trycmd")
        .case("tests/cmd/*.toml");
}
