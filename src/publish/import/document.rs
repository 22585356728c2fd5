//! A file as rows: CSV (UTF-8 with or without BOM, UTF-16, CP949), the first sheet of a workbook, or NDJSON.
//!
//! The file is read once, whole, and hashed: what was checked is what is sent. It knows no event type.

use std::io::Read as _;
use std::path::Path;

use encoding_rs::{EUC_KR, Encoding, UTF_8};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::sheet::sheet;
use crate::event::{Text, json};
use crate::limits::{COLUMNS_MAX, IMPORT_FILE_BYTES_MAX, ROW_BYTES_MAX, SHEET_BYTES_MAX};

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma, semicolon or tab separated values with a header line.
    Csv,
    /// Excel or OpenDocument workbook.
    Workbook,
    /// One JSON object per line: flat fields, or whole CloudEvents.
    Ndjson,
}

/// Why a file gives no rows at all.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Unreadable.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Too large.
    #[error("the file is larger than {IMPORT_FILE_BYTES_MAX} bytes: split it")]
    Large,
    /// A sheet with more in it than is held in memory.
    #[error("the sheet takes more than {SHEET_BYTES_MAX} bytes of memory: split it, or save it as CSV")]
    Sheet,
    /// Neither UTF-8, UTF-16 nor CP949.
    #[error("the text is neither UTF-8 nor CP949 (first undecodable byte: {0}): save it as UTF-8")]
    Encoding(usize),
    /// No header, or too many or repeated columns.
    #[error("{0}")]
    Header(String),
    /// Damaged.
    #[error("the file is damaged: {0}")]
    Damaged(String),
}

/// A file, decoded.
#[derive(Debug)]
pub struct Document {
    /// Kind of file.
    pub format: Format,
    /// SHA-256 of the file as it lies on disk.
    pub sha256: [u8; 32],
    /// Column titles; empty for NDJSON.
    pub header: Vec<String>,
    /// What the reader should know: the encoding, where it is not UTF-8.
    pub notice: Option<Text>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text { text: String, delimiter: u8 },
    Sheet(Vec<Vec<String>>),
    Lines(String),
}

/// One row, numbered as the reader sees it: the header of a table is row 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Number from 1.
    pub number: u64,
    /// Cells or object, or what is wrong with the row as such.
    pub content: Result<RowContent, String>,
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub enum RowContent {
    /// Cells in the order of the header.
    Cells(Vec<String>),
    /// A JSON object.
    Object(Value),
}

impl Document {
    /// Reads a file; its name's ending says which kind it is (`.xlsx`, `.xls`, `.ods`, `.ndjson`, `.jsonl`, else CSV).
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn open(path: &Path) -> Result<Self, DocumentError> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(IMPORT_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > IMPORT_FILE_BYTES_MAX {
            return Err(DocumentError::Large);
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let format = match ending.as_str() {
            "xlsx" | "xlsm" | "xls" | "ods" => Format::Workbook,
            "ndjson" | "jsonl" => Format::Ndjson,
            _ => Format::Csv,
        };
        Self::from_bytes(bytes, format)
    }

    /// Reads bytes of a known kind.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn from_bytes(bytes: Vec<u8>, format: Format) -> Result<Self, DocumentError> {
        let sha256 = Sha256::digest(&bytes).into();
        let (header, notice, content) = match format {
            Format::Workbook => {
                let mut rows = sheet(bytes)?;
                let header = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
                (header, None, Content::Sheet(rows))
            }
            Format::Csv => {
                let (text, notice) = decode(bytes)?;
                let delimiter = delimiter(&text);
                let header = reader(&text, delimiter).headers().map_err(|error| damaged(&error))?.clone();
                let header = header.iter().map(|title| title.trim().to_owned()).collect();
                (header, notice, Content::Text { text, delimiter })
            }
            Format::Ndjson => {
                let (text, notice) = decode(bytes)?;
                (Vec::new(), notice, Content::Lines(text))
            }
        };
        if format != Format::Ndjson {
            check_header(&header)?;
        }
        Ok(Document { format, sha256, header, notice, content })
    }

    /// The rows, in order; empty ones are left out.
    #[must_use]
    pub fn rows(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        match &self.content {
            Content::Text { text, delimiter } => Box::new(csv_rows(text, *delimiter)),
            Content::Sheet(rows) => {
                let numbered = rows.iter().zip(2_u64..).filter(|(cells, _)| cells.iter().any(|cell| !cell.is_empty()));
                Box::new(numbered.map(|(cells, number)| {
                    let mut cells = cells.clone();
                    cells.resize(self.header.len(), String::new());
                    Row { number, content: Ok(RowContent::Cells(cells)) }
                }))
            }
            Content::Lines(text) => {
                let numbered = text.lines().zip(1_u64..).filter(|(line, _)| !line.trim().is_empty());
                Box::new(numbered.map(|(line, number)| Row { number, content: object(line) }))
            }
        }
    }

    /// How many rows there are: for a progress bar.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        match &self.content {
            Content::Sheet(rows) => rows.len() as u64,
            _ => self.rows().count() as u64,
        }
    }
}

fn damaged(error: &dyn std::fmt::Display) -> DocumentError {
    DocumentError::Damaged(error.to_string())
}

fn check_header(header: &[String]) -> Result<(), DocumentError> {
    if header.iter().all(String::is_empty) {
        return Err(DocumentError::Header("the first row must hold the column titles".into()));
    }
    if header.len() > COLUMNS_MAX {
        return Err(DocumentError::Header(format!("{} columns: give at most {COLUMNS_MAX}", header.len())));
    }
    for (at, title) in header.iter().enumerate().filter(|(_, title)| !title.is_empty()) {
        if header[..at].contains(title) {
            return Err(DocumentError::Header(format!("the column '{title}' stands twice")));
        }
    }
    Ok(())
}

/// UTF-8 where it is UTF-8, UTF-16 by its mark, else CP949, which spreadsheets in Korea still write.
fn decode(bytes: Vec<u8>) -> Result<(String, Option<Text>), DocumentError> {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        let (text, failed) = encoding.decode_without_bom_handling(&bytes[mark..]);
        if failed {
            return Err(DocumentError::Encoding(mark));
        }
        return Ok((text.into_owned(), (encoding != UTF_8).then(|| read_as(encoding))));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, None)),
        Err(error) => {
            let first = error.utf8_error().valid_up_to();
            let text = EUC_KR.decode_without_bom_handling_and_without_replacement(error.as_bytes());
            let text = text.ok_or(DocumentError::Encoding(first))?.into_owned();
            Ok((text, Some(read_as(EUC_KR))))
        }
    }
}

fn read_as(encoding: &'static Encoding) -> Text {
    let name = if encoding == EUC_KR { "CP949 (EUC-KR)" } else { encoding.name() };
    Text { ko: format!("{name} 문자 집합으로 읽었습니다"), en: format!("read as {name}") }
}

/// The separator of the header line: comma, unless only tabs or semicolons stand there.
fn delimiter(text: &str) -> u8 {
    let line = text.lines().next().unwrap_or_default();
    if line.contains(',') {
        b','
    } else if line.contains('\t') {
        b'\t'
    } else if line.contains(';') {
        b';'
    } else {
        b','
    }
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes())
}

fn csv_rows(text: &str, delimiter: u8) -> impl Iterator<Item = Row> + '_ {
    let mut reader = reader(text, delimiter);
    // Read errors of a `&[u8]` end the rows; damage inside is told by the width check below.
    let width = reader.headers().map_or(0, csv::StringRecord::len);
    reader.into_records().zip(2_u64..).filter_map(move |(record, number)| {
        let content = match record {
            Ok(record) if record.iter().all(|cell| cell.trim().is_empty()) => return None,
            Ok(record) if record.iter().skip(width).any(|cell| !cell.is_empty()) => {
                Err(format!("{} cells where the header has {width}: is a quote or a comma out of place?", record.len()))
            }
            Ok(record) if record.as_slice().len() > ROW_BYTES_MAX => Err(format!("more than {ROW_BYTES_MAX} bytes")),
            Ok(record) => {
                let mut cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
                cells.resize(width, String::new());
                Ok(RowContent::Cells(cells))
            }
            Err(error) => Err(error.to_string()),
        };
        Some(Row { number, content })
    })
}

fn object(line: &str) -> Result<RowContent, String> {
    if line.len() > ROW_BYTES_MAX {
        return Err(format!("more than {ROW_BYTES_MAX} bytes"));
    }
    match json::parse(line.trim().as_bytes()) {
        Ok(value @ Value::Object(_)) => Ok(RowContent::Object(value)),
        Ok(_) => Err("a line must be one JSON object".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(document: &Document) -> Vec<(u64, Vec<String>)> {
        let row = |row: Row| match row.content {
            Ok(RowContent::Cells(cells)) => (row.number, cells),
            other => panic!("row {}: {other:?}", row.number),
        };
        document.rows().map(row).collect()
    }

    #[test]
    fn csv_in_every_dress_gives_the_same_rows() {
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("id,지역\n1,서울\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let cases: [(&str, Vec<u8>); 7] = [
            ("plain", "id,지역\n1,서울\n".into()),
            ("bom", "\u{feff}id,지역\n1,서울\n".into()),
            ("crlf", "id,지역\r\n1,서울\r\n\r\n".into()),
            ("no end", "id,지역\n1,서울".into()),
            ("tabs", "id\t지역\n1\t서울\n".into()),
            ("quotes", "\"id\",\"지역\"\n\"1\",\" 서울 \"\n,\n".into()),
            ("utf16", utf16),
        ];
        for (name, bytes) in cases {
            let document = Document::from_bytes(bytes, Format::Csv).unwrap();
            assert_eq!(document.header, ["id", "지역"], "{name}");
            assert_eq!(cells(&document), [(2, vec!["1".to_owned(), "서울".to_owned()])], "{name}");
        }
    }

    #[test]
    fn cp949_is_read_and_said() {
        let (bytes, _, _) = EUC_KR.encode("id,지역\n1,뷁서울\n");
        let document = Document::from_bytes(bytes.into_owned(), Format::Csv).unwrap();
        assert_eq!(cells(&document)[0].1[1], "뷁서울");
        assert!(document.notice.as_ref().unwrap().en.contains("CP949"));
        assert!(matches!(
            Document::from_bytes(b"id\n\xff\xff\n".to_vec(), Format::Csv),
            Err(DocumentError::Encoding(3))
        ));
    }

    #[test]
    fn damage_is_told_by_row() {
        let document = Document::from_bytes(b"a,b\n1,2\n1,2,3\n4\n".to_vec(), Format::Csv).unwrap();
        let rows: Vec<Row> = document.rows().collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[0].content.is_ok() && rows[2].content.is_ok());
        assert_eq!((rows[1].number, rows[1].content.is_err()), (3, true));
        for header in ["a,a\n", "\n", ",,\n"] {
            assert!(
                matches!(Document::from_bytes(header.into(), Format::Csv), Err(DocumentError::Header(_))),
                "{header:?}"
            );
        }
    }

    #[test]
    fn ndjson_keeps_line_numbers() {
        let document = Document::from_bytes(b"{\"a\":1}\n\n[1]\n{\"a\":1,\"a\":2}\n".to_vec(), Format::Ndjson).unwrap();
        let rows: Vec<(u64, bool)> = document.rows().map(|row| (row.number, row.content.is_ok())).collect();
        assert_eq!(rows, [(1, true), (3, false), (4, false)]);
    }
}
