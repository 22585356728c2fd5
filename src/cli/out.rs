//! Standard output: text and JSON, with write errors handed up (a closed pipe ends the program quietly).

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Serialize;

use super::exit;
use crate::log::bounded;

/// Writes text to standard output.
///
/// # Errors
/// Standard output is closed or full.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes one JSON document, indented.
///
/// # Errors
/// As [`text`].
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(value)?)
}

/// Writes one JSON document on one line.
///
/// # Errors
/// As [`text`].
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string(value)?)
}

/// A buffered writer to a file, or to standard output where there is none.
///
/// # Errors
/// The file cannot be created.
pub fn writer(path: Option<&Path>) -> anyhow::Result<Box<dyn std::io::Write>> {
    match path {
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|error| exit::file(path, &error))?;
            Ok(Box::new(std::io::BufWriter::new(file)))
        }
        None => Ok(Box::new(std::io::BufWriter::new(std::io::stdout().lock()))),
    }
}

/// Reads a whole text file of at most `bytes_max` bytes that came from somebody else: a regular file, no pipe that is waited
/// on for ever and no device without an end.
///
/// # Errors
/// Unreadable, longer, no regular file, not UTF-8.
pub fn read_foreign(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let bytes = bounded::read(path, bytes_max).map_err(|error| exit::file(path, &error))?;
    String::from_utf8(bytes).map_err(|_| exit::file(path, &std::io::ErrorKind::InvalidData.into()).into())
}

/// Reads a whole text file of at most `bytes_max` bytes.
///
/// # Errors
/// Unreadable, longer, not UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let file = std::fs::File::open(path).map_err(|error| exit::file(path, &error))?;
    let mut text = String::new();
    file.take(bytes_max + 1).read_to_string(&mut text).map_err(|error| exit::file(path, &error))?;
    if text.len() as u64 > bytes_max {
        let path = path.display();
        return Err(exit::could(
            format!("파일 {path}: {bytes_max}바이트를 넘습니다"),
            format!("file {path}: longer than {bytes_max} bytes"),
        )
        .into());
    }
    Ok(text)
}
