//! The page: sections of sentences, tables and pictures in one file of HTML.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Cells of more characters are broken into lines.
const LONG: usize = 60;
const STYLE: &str = include_str!("page.css");

/// A page under construction.
pub(super) struct Page {
    title: String,
    body: String,
    /// Sections and the parts of each.
    contents: Vec<(String, Vec<String>)>,
    pictures: Vec<Picture>,
}

/// A picture, which is also a file of its own.
pub(super) struct Picture {
    /// Name of the file.
    pub(super) name: String,
    pub(super) png: Vec<u8>,
    /// What it shows, in words.
    pub(super) caption: String,
}

/// A table; the first column names the rows.
pub(super) struct Table {
    /// Heads that span some columns, above those of each column.
    pub(super) groups: Vec<(String, usize)>,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a head for each column.
    pub(super) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { groups: Vec::new(), head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.into(), body: String::new(), contents: Vec::new(), pictures: Vec::new() }
    }

    pub(super) fn section(&mut self, title: &str) {
        self.contents.push((title.to_owned(), Vec::new()));
        let _ = writeln!(self.body, "<h2 id=\"{}\">{}</h2>", self.contents.len(), escaped(title));
    }

    /// A smaller title within a section.
    pub(super) fn part(&mut self, title: &str) {
        let section = self.contents.len();
        let (_, parts) = self.contents.last_mut().expect("a part stands in a section");
        parts.push(title.to_owned());
        let _ = writeln!(self.body, "<h3 id=\"{section}.{}\">{}</h3>", parts.len(), escaped(title));
    }

    /// Links to sections and their parts.
    fn table_of_contents(&self) -> String {
        let mut text = String::from("<nav aria-label=\"Contents\">\n<ul>\n");
        let link = |target: &str, title: &str| format!("<a href=\"#{target}\">{}</a>", escaped(title));
        for (section, (title, parts)) in self.contents.iter().enumerate() {
            let section = section + 1;
            let _ = write!(text, "<li>{}", link(&section.to_string(), title));
            if !parts.is_empty() {
                text += "\n<ul>";
                for (part, title) in parts.iter().enumerate() {
                    let _ = write!(text, "<li>{}</li>", link(&format!("{section}.{}", part + 1), title));
                }
                text += "</ul>";
            }
            text += "</li>\n";
        }
        text + "</ul>\n</nav>\n"
    }

    pub(super) fn sentence(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    pub(super) fn table(&mut self, table: &Table) {
        let body = &mut self.body;
        body.push_str("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead>");
        if !table.groups.is_empty() {
            body.push_str("<tr>");
            for (name, columns) in &table.groups {
                let _ = write!(body, "<th colspan=\"{columns}\" scope=\"colgroup\">{}</th>", escaped(name));
            }
            body.push_str("</tr>\n");
        }
        body.push_str("<tr>");
        for name in &table.head {
            let _ = write!(body, "<th scope=\"col\">{}</th>", escaped(name));
        }
        body.push_str("</tr></thead>\n<tbody>\n");
        for row in &table.rows {
            body.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let tag = match column {
                    0 => "th scope=\"row\"",
                    _ if cell.chars().count() > LONG => "td class=\"long\"",
                    _ => "td",
                };
                let _ = write!(body, "<{tag}>{}</{}>", escaped(cell), &tag[..2]);
            }
            body.push_str("</tr>\n");
        }
        body.push_str("</tbody></table></div>\n");
    }

    /// Pictures side by side, as many as there is room for.
    pub(super) fn pictures(&mut self, pictures: Vec<Picture>) {
        self.body.push_str("<div class=\"pictures\">\n");
        for picture in &pictures {
            let caption = escaped(&picture.caption);
            let data = BASE64.encode(&picture.png);
            let _ = writeln!(
                self.body,
                "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{data}\"><figcaption>{caption}</figcaption></figure>"
            );
        }
        self.body.push_str("</div>\n");
        self.pictures.extend(pictures);
    }

    /// The file, and the pictures in it.
    pub(super) fn finish(self) -> (String, Vec<Picture>) {
        let contents = self.table_of_contents();
        let Self { title, body, pictures, .. } = self;
        let title = escaped(&title);
        // A browser that obeys the policy asks nobody for anything.
        let html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             {contents}{body}</main>\n</body>\n</html>\n"
        );
        (html, pictures)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut page = Page::new("a<b");
        page.table(&Table { rows: vec![vec!["\"&".into(), "<i>".into()]], ..Table::new(["x", "y"]) });
        page.section("c&d");
        page.part("e>f");
        let (html, _) = page.finish();
        assert!(
            html.contains(
                "<li><a href=\"#1\">c&amp;d</a>\n<ul><li><a href=\"#1.1\">e&gt;f</a></li></ul></li>"
            ),
            "{html}"
        );
        assert!(html.contains("<h2 id=\"1\">c&amp;d</h2>\n<h3 id=\"1.1\">e&gt;f</h3>"), "{html}");
        assert!(html.contains("<title>a&lt;b</title>"), "{html}");
        assert!(html.contains("<tr><th scope=\"row\">&quot;&amp;</th><td>&lt;i&gt;</td></tr>"), "{html}");
    }
}
