"""Runs the Python examples of a Markdown page, in order and in one namespace: `python_page.py PAGE`.

An example with prompts is a doctest. An example that begins with a comment such as `# shout.py` is also written to that file in the working folder.
"""

import doctest
import re
import sys

page = sys.argv[1]
text = open(page, encoding="utf-8").read()
names = {"__name__": "page"}
sys.path.insert(0, ".")
runner = doctest.DocTestRunner()
for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
    source = found.group(1)
    line = text.count("\n", 0, found.start()) + 1
    file = re.match(r"# ([\w.-]+\.py)\n", source)
    if file:
        with open(file.group(1), "w", encoding="utf-8") as written:
            written.write(source)
    if ">>> " in source:
        test = doctest.DocTestParser().get_doctest(source, names, page, page, line)
        runner.run(test, clear_globs=False)
        names.update(test.globs)
    elif file is None or not file.group(1).startswith("test_"):
        exec(compile("\n" * line + source, page, "exec"), names)
attempted = runner.summarize(verbose=False).attempted
print(attempted, "examples")
sys.exit(runner.failures > 0)
