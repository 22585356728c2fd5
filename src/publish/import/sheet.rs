//! The first sheet of a workbook as text. What a workbook claims costs nothing: cells of `.xlsx` are counted as they come, and
//! only those that hold something are kept.

use std::io::Cursor;

use calamine::{Data, Ods, Range, Reader as _, Xls, Xlsx};

use super::document::DocumentError;
use crate::limits::{COLUMNS_MAX, SHEET_BYTES_MAX, SHEET_ROWS_MAX};

/// First bytes of a ZIP archive, which `.xlsx` and `.ods` are.
const ZIP: &[u8] = b"PK";

/// Bytes that an empty cell takes.
const CELL_BYTES: usize = size_of::<String>();

/// The first sheet, all rows of one width, the column titles first.
///
/// # Errors
/// [`DocumentError`]: damaged, no sheet in it, nothing in its first row, more columns, rows or text than an import takes.
pub fn sheet(bytes: Vec<u8>) -> Result<Vec<Vec<String>>, DocumentError> {
    let file = Cursor::new(bytes);
    if !file.get_ref().starts_with(ZIP) {
        return dense(Xls::new(file).map_err(|error| damaged(&error))?.worksheet_range_at(0));
    }
    match Xlsx::new(file.clone()) {
        Ok(workbook) => streamed(workbook),
        // An OpenDocument archive has none of the parts of the other; where it is neither, both say so.
        Err(xlsx) => match Ods::new(file) {
            Ok(mut workbook) => dense(workbook.worksheet_range_at(0)),
            Err(ods) => Err(DocumentError::Damaged(format!("no workbook: as .xlsx {xlsx}; as .ods {ods}"))),
        },
    }
}

fn damaged(error: &dyn std::fmt::Display) -> DocumentError {
    DocumentError::Damaged(error.to_string())
}

fn too_wide(columns: usize) -> DocumentError {
    DocumentError::Header(format!("{columns} columns: give at most {COLUMNS_MAX}"))
}

fn no_titles() -> DocumentError {
    DocumentError::Header("the first row must hold the column titles".into())
}

/// Rows as they grow, bounded.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<String>>,
    bytes: usize,
}

impl Rows {
    /// Puts a cell in its place; those before it that nobody wrote are empty.
    fn put(&mut self, (row, column): (u32, u32), text: String) -> Result<(), DocumentError> {
        let (row, column) = (row as usize, column as usize);
        if column >= COLUMNS_MAX {
            return Err(too_wide(column + 1));
        }
        if row >= SHEET_ROWS_MAX {
            let row = row + 1;
            return Err(DocumentError::Damaged(format!(
                "it has a cell in row {row}, at most {SHEET_ROWS_MAX} are taken"
            )));
        }
        if row >= self.rows.len() {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let cells = &mut self.rows[row];
        self.bytes += text.len() + (column + 1).saturating_sub(cells.len()) * CELL_BYTES;
        if self.bytes > SHEET_BYTES_MAX {
            return Err(DocumentError::Sheet);
        }
        if column >= cells.len() {
            cells.resize(column + 1, String::new());
        }
        cells[column] = text;
        Ok(())
    }

    /// The rows from the first used column on; the titles are as many as the widest row has cells.
    fn finish(mut self) -> Result<Vec<Vec<String>>, DocumentError> {
        let Some(titles) = self.rows.first() else { return Ok(Vec::new()) };
        if titles.is_empty() {
            return Err(no_titles());
        }
        let used = |row: &Vec<String>| row.iter().position(|cell| !cell.is_empty());
        let first = self.rows.iter().filter_map(used).min().unwrap_or(0);
        let width = self.rows.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(first);
        for row in &mut self.rows {
            row.drain(..first.min(row.len()));
        }
        self.rows[0].resize(width, String::new());
        Ok(self.rows)
    }
}

/// Cells one after the other: the library's own ranges have room for every cell up to the last one.
fn streamed(mut workbook: Xlsx<Cursor<Vec<u8>>>) -> Result<Vec<Vec<String>>, DocumentError> {
    let first = workbook.sheet_names().into_iter().next();
    let first = first.ok_or_else(|| DocumentError::Damaged("there is no sheet in it".into()))?;
    let mut cells = workbook.worksheet_cells_reader(&first).map_err(|error| damaged(&error))?;
    let mut rows = Rows::default();
    while let Some(cell) = cells.next_cell().map_err(|error| damaged(&error))? {
        // Cells that have a colour and nothing in them reach far to the right.
        let text = text(&Data::from(cell.get_value().clone()));
        if !text.is_empty() {
            rows.put(cell.get_position(), text)?;
        }
    }
    rows.finish()
}

/// A range the library made, of the older kinds.
fn dense<E: std::fmt::Display>(range: Option<Result<Range<Data>, E>>) -> Result<Vec<Vec<String>>, DocumentError> {
    let range = range.ok_or_else(|| DocumentError::Damaged("there is no sheet in it".into()))?;
    let range = range.map_err(|error| damaged(&error))?;
    if range.width() > COLUMNS_MAX {
        return Err(too_wide(range.width()));
    }
    // Rows above the first used one keep their place, so that numbers are those of the sheet.
    if range.start().is_some_and(|(row, _)| row > 0) {
        return Err(no_titles());
    }
    let mut rows = Rows::default();
    for (row, column, cell) in range.used_cells() {
        // Indexes of rows and columns come from 32-bit ones.
        rows.put((row as u32, column as u32), text(cell))?;
    }
    rows.finish()
}

/// A cell as the person at the sheet reads it, in forms an import understands.
fn text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.trim().to_owned(),
        Data::Int(number) => number.to_string(),
        // Whole numbers up to 2^53 are exact; others print their shortest exact form and are typed as text later.
        Data::Float(number) => number.to_string(),
        Data::Bool(flag) => flag.to_string(),
        Data::DateTime(stamp) if stamp.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = stamp.to_ymd_hms_milli();
            if (hour, minute, second) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+09:00")
            }
        }
        Data::DateTime(span) => span.as_f64().to_string(),
        Data::Error(error) => format!("#{error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::{Document, Format, RowContent};
    use super::*;

    /// A ZIP archive of files that are stored as they are.
    fn zip(files: &[(&str, String)]) -> Vec<u8> {
        let (mut archive, mut central) = (Vec::new(), Vec::new());
        for (name, text) in files {
            let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
            about.extend(crc32fast::hash(text.as_bytes()).to_le_bytes());
            about.extend((text.len() as u32).to_le_bytes().repeat(2));
            about.extend((name.len() as u16).to_le_bytes());
            about.extend([0, 0]);
            central.extend(b"PK\x01\x02\x14\x00".iter().chain(&about).chain(&[0; 10]));
            central.extend((archive.len() as u32).to_le_bytes().iter().chain(name.as_bytes()));
            archive.extend(b"PK\x03\x04".iter().chain(&about).chain(name.as_bytes()).chain(text.as_bytes()));
        }
        let (count, start) = (files.len() as u16, archive.len() as u32);
        archive.extend(&central);
        archive.extend(b"PK\x05\x06\0\0\0\0".iter().chain(&count.to_le_bytes().repeat(2)));
        archive.extend((central.len() as u32).to_le_bytes().iter().chain(&start.to_le_bytes()).chain(&[0, 0]));
        archive
    }

    /// A workbook of these cells.
    fn workbook(cells: &[(&str, &str)]) -> Vec<u8> {
        let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        let package = "http://schemas.openxmlformats.org/package/2006";
        let cell = |(at, text): &(&str, &str)| {
            let row = at.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
            format!("<row r=\"{row}\"><c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c></row>")
        };
        let cells: String = cells.iter().map(cell).collect();
        let relation = |kind: &str, target: &str| {
            format!(
                "<Relationships xmlns=\"{package}/relationships\"><Relationship Id=\"r1\" Type=\"{office}/{kind}\" \
                 Target=\"{target}\"/></Relationships>"
            )
        };
        let sheets = "<sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"r1\"/></sheets>";
        zip(&[
            ("[Content_Types].xml", format!("<Types xmlns=\"{package}/content-types\"/>")),
            ("_rels/.rels", relation("officeDocument", "xl/workbook.xml")),
            ("xl/workbook.xml", format!("<workbook xmlns=\"{main}\" xmlns:r=\"{office}\">{sheets}</workbook>")),
            ("xl/_rels/workbook.xml.rels", relation("worksheet", "worksheets/sheet1.xml")),
            (
                "xl/worksheets/sheet1.xml",
                format!("<worksheet xmlns=\"{main}\"><sheetData>{cells}</sheetData></worksheet>"),
            ),
        ])
    }

    fn read(cells: &[(&str, &str)]) -> Result<Document, DocumentError> {
        Document::from_bytes(workbook(cells), Format::Workbook)
    }

    #[test]
    fn a_cell_far_away_costs_nothing() {
        // A range with room for all cells up to this one would take 400 GiB.
        let far = read(&[("A1", "id"), ("XFD1048576", "x")]).unwrap_err();
        assert!(far.to_string().contains("16384 columns: give at most 256"), "{far}");
        let document = read(&[("A1", "id"), ("IV1", "last"), ("IV1048576", "x")]).unwrap();
        let rows: Vec<_> = document.rows().collect();
        assert_eq!((document.header.len(), document.row_count(), rows.len()), (256, 1_048_575, 1));
        assert_eq!(rows[0].number, 1_048_576);
        let width = read(&[("A1", "id"), ("IW2", "x")]).unwrap_err();
        assert!(width.to_string().contains("257 columns"), "{width}");
    }

    #[test]
    fn rows_have_the_width_of_the_header_and_the_numbers_of_the_sheet() {
        // The first used column is the first; cells need not come in order, and may be missing.
        let document = read(&[("B1", "id"), ("C4", "2"), ("B4", "b"), ("B2", "a"), ("C1", "n"), ("D4", "?")]).unwrap();
        assert_eq!(document.header, ["id", "n", ""]);
        let rows: Vec<_> = document.rows().map(|row| (row.number, row.content.unwrap())).collect();
        let cells = |cells: [&str; 3]| RowContent::Cells(cells.map(str::to_owned).to_vec());
        assert_eq!(rows, [(2, cells(["a", "", ""])), (4, cells(["b", "2", "?"]))]);
        for cells in [&[("A2", "late")][..], &[]] {
            let error = read(cells).unwrap_err();
            assert!(error.to_string().contains("column titles"), "{error}");
        }
        let neither = Document::from_bytes(zip(&[("a", "b".to_owned())]), Format::Workbook).unwrap_err();
        assert!(matches!(neither, DocumentError::Damaged(_)), "{neither}");
    }

    #[test]
    fn text_is_bounded() {
        let mut rows = Rows { bytes: SHEET_BYTES_MAX - 30, ..Rows::default() };
        rows.put((0, 0), "123456".to_owned()).unwrap();
        assert!(matches!(rows.put((1, 0), String::new()), Err(DocumentError::Sheet)));
        let below = rows.put((SHEET_ROWS_MAX as u32, 0), String::new()).unwrap_err();
        assert!(below.to_string().contains("row 1048577"), "{below}");
    }
}
