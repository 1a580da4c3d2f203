use std::io::Write;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::*;

/// A workbook with one sheet: rows of cells as XML.
fn workbook(rows: &str) -> Vec<u8> {
    workbook_of(&[("Data", rows)])
}

/// A workbook with these sheets: their names and rows.
fn workbook_of(sheets: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let packages = "http://schemas.openxmlformats.org/package/2006/relationships";
    let numbered = || sheets.iter().zip(1..);
    let listed: String =
        numbered().map(|((name, _), at)| format!("<sheet name=\"{name}\" sheetId=\"{at}\" r:id=\"r{at}\"/>")).collect();
    let related: String = numbered()
        .map(|(_, at)| {
            format!("<Relationship Id=\"r{at}\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>")
        })
        .collect();
    let files = [
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{packages}\"><Relationship Id=\"r1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!("<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets>{listed}</sheets></workbook>"),
        ),
        ("xl/_rels/workbook.xml.rels", format!("<Relationships xmlns=\"{packages}\">{related}</Relationships>")),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{main}\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/><xf numFmtId=\"46\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    let files = files.map(|(name, content)| (name.to_owned(), content));
    let sheets = numbered().map(|((_, rows), at)| {
        let content = format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>");
        (format!("xl/worksheets/sheet{at}.xml"), content)
    });
    for (name, content) in files.into_iter().chain(sheets) {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn csv_of(rows: &str) -> String {
    String::from_utf8(first_sheet(workbook(rows)).unwrap().csv).unwrap()
}

#[test]
fn first_sheet_becomes_lines() {
    let csv = csv_of(
        "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>time</t></is></c>\
         <c r=\"B1\" t=\"inlineStr\"><is><t>door, main</t></is></c></row>\
         <row r=\"2\"><c r=\"A2\" s=\"1\"><v>46023.25</v></c><c r=\"B2\"><v>12.5</v></c></row>\
         <row r=\"5\"><c r=\"A5\"><v>1767225600000</v></c><c r=\"B5\" t=\"e\"><v>#DIV/0!</v></c></row>",
    );
    assert_eq!(csv, "time,\"door, main\"\n2026-01-01 06:00:00.000,12.5\n\n\n1767225600000,\n");
}

#[test]
fn other_sheets_with_content_are_named() {
    let row = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>";
    let warning = |sheets: &[(&str, &str)]| first_sheet(workbook_of(sheets)).unwrap().warning();
    // Spreadsheets used to add two empty sheets.
    assert_eq!(warning(&[("Data", row), ("Sheet2", ""), ("Sheet3", "<row r=\"1\"></row>")]), None);
    assert_eq!(
        warning(&[("Data", row), ("March", row), ("", "")]).as_deref(),
        Some(
            "the sheet \"March\" is not read, only the first one, \"Data\"; save another one as a file of its own to \
             import it"
        )
    );
    let names: Vec<String> = (0..9).map(|i| format!("M{i}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), row)).collect();
    let text = warning(&many).unwrap();
    assert!(text.starts_with("the sheets \"M1\",") && text.contains("\"M5\" and 3 more are not read"), "{text}");
}

#[test]
fn formulas_without_their_result_are_counted_and_named() {
    let row = |cells: &str| format!("<row r=\"1\"><c r=\"A1\"><v>1</v></c>{cells}</row>");
    let formulas = |cells: &str| first_sheet(workbook(&row(cells))).unwrap().formulas;
    for written in ["<v></v>", "<v/>", ""] {
        let cells = format!("<c r=\"AB1\"><f>A1*2</f>{written}</c><c r=\"AC1\" s=\"1\"><f>A1*3</f>{written}</c>");
        assert_eq!(formulas(&cells), Some((2, "AB1".to_owned())), "{written}");
    }
    let shared = "<c r=\"B1\"><f t=\"shared\" ref=\"B1:C1\" si=\"4000000000\">A1*2</f></c>\
                  <c r=\"C1\"><f t=\"shared\" si=\"4000000000\"/></c>";
    assert_eq!(formulas(shared), Some((2, "B1".to_owned())));
    // A result, also an empty text or an error, and an empty cell with a style.
    let good = "<c r=\"B1\"><f>A1*2</f><v>2</v></c><c r=\"C1\" t=\"str\"><f>T(A1)</f><v></v></c>\
                <c r=\"D1\" t=\"e\"><f>1/0</f><v>#DIV/0!</v></c><c r=\"E1\" s=\"1\"/>";
    assert_eq!(formulas(good), None);
    let sheet = first_sheet(workbook(&row("<c r=\"B1\"><f>A1*2</f><v/></c>"))).unwrap();
    let warning = sheet.warning().unwrap();
    assert!(warning.starts_with("1 formula is without its result, first B1,"), "{warning}");
}

#[test]
fn cells_keep_their_meaning() {
    let csv = csv_of(
        "<row r=\"1\"><c r=\"A1\" s=\"1\"><v>46023</v></c><c r=\"B1\" s=\"1\"><v>0.25</v></c>\
         <c r=\"C1\" s=\"1\"><v>0</v></c><c r=\"D1\"><v>1.234</v></c><c r=\"E1\"><v>2</v></c></row>",
    );
    // `1.234` could be read as thousands.
    assert_eq!(csv, "2026-01-01,06:00:00.000,00:00:00.000,1.2340,2\n");
}

#[test]
fn durations_become_seconds_and_are_counted() {
    // `30:15:00`, and a tenth of a second before it.
    let row = "<row r=\"1\"><c r=\"A1\"><v>1</v></c><c r=\"B1\" s=\"2\"><v>1.260416666666667</v></c>\
               <c r=\"C1\" s=\"2\"><v>1.2604155092592593</v></c><c r=\"D1\" s=\"2\"><v>-0.5</v></c></row>";
    let sheet = first_sheet(workbook(row)).unwrap();
    assert_eq!(String::from_utf8_lossy(&sheet.csv), "1,108900,108899.9,-43200\n");
    let warning = sheet.warning().unwrap();
    assert_eq!(warning, "3 cells hold durations such as [h]:mm:ss, first B1, which become seconds");
}

#[test]
fn rows_of_a_sheet_are_named_by_their_number() {
    let csv = first_sheet(workbook(
        "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>time</t></is></c><c r=\"B1\" t=\"inlineStr\"><is><t>a</t></is></c></row>\
         <row r=\"3\"><c r=\"A3\"><v>1767225600000</v></c><c r=\"B3\"><v>1</v></c></row>\
         <row r=\"4\"><c r=\"A4\" t=\"inlineStr\"><is><t>noon</t></is></c><c r=\"B4\"><v>2</v></c></row>",
    ))
    .unwrap()
    .csv;
    let options = crate::TableOptions::new(crate::name_from("x"));
    let mut reader = crate::TableReader::new(&csv[..], &options).unwrap();
    let (mut samples, mut problems) = (Vec::new(), crate::Problems::default());
    while reader.read_row(&mut samples, &mut problems).unwrap() {}
    assert_eq!((samples.len(), samples[0].sample.timestamp_ms), (1, 1_767_225_600_000));
    assert_eq!(problems.first().iter().map(|problem| problem.line).collect::<Vec<_>>(), [4]);
}

#[test]
fn invalid_workbook_is_refused() {
    for bytes in
        [Vec::new(), b"a,b\n1,2\n".to_vec(), workbook("<row r=\"99999999\"><c r=\"A99999999\"><v>1</v></c></row>")]
    {
        assert!(matches!(first_sheet(bytes), Err(SheetError::Damaged(_))));
    }
}

/// A workbook with one more part of so many MiB that begins like this.
fn with_part(name: &str, begins: &str, mebibytes: u64) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new_append(Cursor::new(workbook(""))).unwrap();
    zip.start_file(name, SimpleFileOptions::default()).unwrap();
    zip.write_all(begins.as_bytes()).unwrap();
    let filling = "<a/>  ".repeat((1 << 20) / 6);
    for _ in 0..=mebibytes {
        zip.write_all(filling.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn small_file_with_large_content_is_refused() {
    for (part, reason) in [
        (with_part("xl/media/a.png", "no XML", MAX_INFLATED >> 20), "larger than 256 MiB"),
        (with_part("xl/sharedStrings.xml", "<sst>", MAX_PART >> 20), "take more than 64 MiB"),
        (with_part("xl/a.xml", "<?xml?><worksheet><si></si>", MAX_PART >> 20), "take more than 64 MiB"),
    ] {
        assert!(part.len() < 2 << 20);
        assert!(first_sheet(part).unwrap_err().to_string().contains(reason), "{reason}");
    }
    let long =
        format!("<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{}</t></is></c></row>", "x".repeat(MAX_CELL + 1));
    let refused = first_sheet(workbook(&long)).unwrap_err().to_string();
    assert!(refused.starts_with("a cell of the workbook is longer than 512 KiB"), "{refused}");
}

#[test]
fn a_row_that_repeats_a_long_text_is_refused_before_it_is_copied() {
    let mut rows = Rows::default();
    let text = "x".repeat(30_000);
    let refused = (0..MAX_COLUMNS).find_map(|column| rows.put(0, column, text.clone()).err());
    assert!(matches!(refused, Some(SheetError::TooLarge)));
    assert!(rows.cells.len() <= MAX_CSV / 30_000 + 1);
}

#[test]
fn parts_that_are_no_xml_are_no_sheets() {
    let row = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>";
    let mut zip = zip::ZipWriter::new_append(Cursor::new(workbook(row))).unwrap();
    zip.start_file("xl/media/image1.png", SimpleFileOptions::default()).unwrap();
    zip.write_all(&[0x89, b'P', b'N', b'G', b'<', b'"'].repeat(MAX_CELL)).unwrap();
    assert_eq!(first_sheet(zip.finish().unwrap().into_inner()).unwrap().csv, b"1\n", "a picture does not matter");
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0.0..1.0f64, byte: u8, cut in 0.0..1.5f64) {
        let mut bytes = workbook("<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>");
        let place = (bytes.len() as f64 * at) as usize;
        bytes[place] = byte;
        bytes.truncate((bytes.len() as f64 * cut) as usize + 1);
        let _refused = first_sheet(bytes).is_err();
    }

    #[test]
    fn arbitrary_sheets_never_panic(rows in "[<>/rcvts=\"A-C1-3 .e-]{0,120}") {
        let _refused = first_sheet(workbook(&rows)).is_err();
    }
}

#[test]
fn workbook_and_csv_of_the_same_table_give_equal_samples() {
    let cell = |at: &str, value: i64| format!("<c r=\"{at}\"><v>{value}</v></c>");
    let text = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let mut rows = format!("<row r=\"1\">{}{}</row>", text("A1", "time"), text("B1", "value"));
    let mut csv = "time,value\n".to_owned();
    for i in 2..7 {
        let at = 1_767_225_600_000 + i * 1_000;
        rows += &format!("<row r=\"{i}\">{}{}</row>", cell(&format!("A{i}"), at), cell(&format!("B{i}"), i));
        csv += &format!("{at},{i}\n");
    }
    let read = |csv: &[u8]| {
        let mut reader = crate::TableReader::new(csv, &crate::TableOptions::new(crate::name_from("x"))).unwrap();
        let (mut samples, mut problems) = (Vec::new(), crate::Problems::default());
        while reader.read_row(&mut samples, &mut problems).unwrap() {}
        assert!(problems.is_empty(), "{problems:?}");
        samples
    };
    let of_workbook = read(&first_sheet(workbook(&rows)).unwrap().csv);
    assert_eq!((of_workbook.len(), &of_workbook), (5, &read(csv.as_bytes())));
}
