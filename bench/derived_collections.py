#!/usr/bin/env python3
"""Judged collections made of texts that are at hand, for fusion to be looked at where nothing was tuned.

derived_collections.py DATA OUT
  OUT/cranfield-titles, OUT/cisi-titles: 300 titles as questions for their abstracts, which lose the title.
  OUT/manual: 400 entries of the index of PostgreSQL's manual (Debian's postgresql-doc-15) as questions for the pages that the
  entry names; the pages lie in OUT/manual/html. Left out where the package is not there.
Each has queries.jsonl and qrels.tsv; the samples are seeded.
"""
import json
import pathlib
import random
import re
import shutil
import sys
from html.parser import HTMLParser

MANUAL = pathlib.Path('/usr/share/doc/postgresql-doc-15/html')
SEED = 7


def write(folder, queries, judgements):
    with open(folder / 'queries.jsonl', 'w') as out:
        for query, text in queries:
            out.write(json.dumps({'_id': query, 'text': text}) + '\n')
    with open(folder / 'qrels.tsv', 'w') as out:
        out.write('query-id\tcorpus-id\tscore\n')
        out.writelines(f'{query}\t{document}\t1\n' for query, document in judgements)


def make_titles(source, folder):
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for line in open(source / 'corpus.jsonl'):
        record = json.loads(line)
        title, text = record['title'].strip(), record['text'].strip()
        bare = title.rstrip(' .')
        if text.lower().startswith(bare.lower()):
            text = text[len(bare):].lstrip(' .')
        if len(text) >= 200 and len(title) >= 10:
            records.append((record['_id'], title, text))
    with open(folder / 'corpus.jsonl', 'w') as out:
        for identifier, _, text in records:
            out.write(json.dumps({'_id': identifier, 'text': text}) + '\n')
    random.seed(SEED)
    kept = sorted(random.sample(range(len(records)), 300))
    write(folder, [('t' + records[i][0], records[i][1]) for i in kept],
          [('t' + records[i][0], records[i][0]) for i in kept])


class BookIndex(HTMLParser):
    """Entries of a DocBook index: "term, sub-term" to the pages that it names."""

    def __init__(self):
        super().__init__()
        self.depth, self.above, self.term, self.in_link, self.pages = 0, [], None, False, []
        self.entries = {}

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == 'dl':
            self.depth += 1
        elif tag == 'dt':
            self.term, self.pages = '', []
        elif tag == 'a' and self.term is not None and attributes.get('class') == 'indexterm':
            self.pages.append(attributes['href'].split('#')[0])
            self.in_link = True

    def handle_endtag(self, tag):
        if tag == 'a':
            self.in_link = False
        elif tag == 'dl':
            self.depth -= 1
            self.above = self.above[:self.depth]
        elif tag == 'dt' and self.term is not None:
            term = re.sub(r'\(see.*', '', re.sub(r'\s+', ' ', self.term).split(', (see')[0].strip(' ,')).strip(' ,')
            self.above = self.above[:self.depth - 1] + [term]
            if self.pages:
                self.entries.setdefault(' '.join(self.above), set()).update(self.pages)
            self.term = None

    def handle_data(self, data):
        if self.term is not None and not self.in_link:
            self.term += data


def make_manual(folder):
    pages = folder / 'html'
    pages.mkdir(parents=True, exist_ok=True)
    names = set()
    for page in sorted(MANUAL.glob('*.html')):
        if page.name not in ('bookindex.html', 'index.html'):
            shutil.copy(page, pages)
            names.add(page.name)
    index = BookIndex()
    index.feed((MANUAL / 'bookindex.html').read_text())
    # Entries of two words or more; names of settings and functions would only be looked up.
    entries = [(term, sorted(named & names)) for term, named in index.entries.items()
               if len(re.findall(r'[A-Za-z]{2,}', term)) >= 2 and not re.search(r'[_(]', term)]
    entries = [entry for entry in entries if entry[1]]
    random.seed(SEED)
    random.shuffle(entries)
    kept = sorted(entries[:400])
    write(folder, [(f'i{i}', term) for i, (term, _) in enumerate(kept)],
          [(f'i{i}', 'html/' + page) for i, (_, named) in enumerate(kept) for page in named])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = map(pathlib.Path, sys.argv[1:])
    for name in ('cranfield', 'cisi'):
        make_titles(data / name, out / f'{name}-titles')
    if MANUAL.is_dir():
        make_manual(out / 'manual')


if __name__ == '__main__':
    main()
