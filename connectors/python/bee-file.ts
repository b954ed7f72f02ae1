import { execFile } from 'node:child_process'
import { relative } from 'node:path'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Interpreter } from './interpreter.ts'

/**
 * Reads a bee's file without running it. Throws WAGGLE_INVALID_MODULE, with the place, if the file is not valid Python, or if the file registers bees
 * but not the bee of this name.
 */
export async function checkBeeFile(
  { executable, version }: Interpreter,
  { file, name }: { readonly file: string; readonly name: string },
): Promise<void> {
  if (!/\.(py|ipynb)$/.test(file))
    throw invalid({ message: `${file} is neither a Python file nor a notebook`, next: 'Name a .py or an .ipynb file.' })
  const found = parsed(await reading(executable, file))
  if (found === null) return
  if (found.error !== undefined) {
    const { message, line, column, cell } = found.error
    const near = relative('', file)
    const at = [`${near.startsWith('..') ? file : near}${cell === null ? '' : `[cell ${cell}]`}`, line, column]
      .filter((part) => part !== null)
      .join(':')
    throw invalid({ message: `${message} (Python ${version})`, place: at, next: 'Correct the file.' })
  }
  const { names, isKnown } = found
  if (!isKnown || names.includes(name)) return
  const hint = didYouMean(name, names)
  throw invalid({
    message: `${file} has no bee ${name}`,
    next:
      names.length === 0 ? `Write @register_bee(name="${name}") above the function.` : `It has ${names.join(', ')}${hint === '' ? '.' : `: ${hint}`}`,
  })
}

interface Reading {
  readonly error?: { readonly message: string; readonly line: number | null; readonly column: number | null; readonly cell: number | null }
  readonly names: readonly string[]
  /** False if only running the file can show which bees it registers. */
  readonly isKnown: boolean
}

function invalid(words: { readonly message: string; readonly next: string; readonly place?: string }): WaggleError {
  return new WaggleError('WAGGLE_INVALID_MODULE', words)
}

function reading(executable: string, file: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(executable, ['-I', '-X', 'utf8', '-c', script, file], { timeout: readMs, maxBuffer: maxBytes }, (_, stdout) => resolve(stdout))
  })
}

/** The result of the reader. Null if the file could not be read in time; the start of the bee then finds any mistakes. */
function parsed(text: string): Reading | null {
  try {
    return JSON.parse(text) as Reading
  } catch {
    return null
  }
}

/**
 * Finds the names that the file passes to the decorator or to the function register_bee. Lines that only a notebook understands become empty lines.
 * The script contains no braces, so that `ops/check/chosen-names.ts` recognises it as plain text.
 */
const script = `
import ast, json, sys, warnings

warnings.simplefilter("ignore")
path = sys.argv[1]
names, known, seen, star = [], True, False, False

def fail(message, line=None, column=None, cell=None):
    error = dict(message=message, line=line, column=column, cell=cell)
    print(json.dumps(dict(error=error, names=[], isKnown=True)))
    sys.exit()

def is_register(node):
    return (isinstance(node, ast.Name) and node.id == "register_bee") or (isinstance(node, ast.Attribute) and node.attr == "register_bee")

def cells():
    if not path.endswith(".ipynb"):
        with open(path, "rb") as file:
            yield None, file.read()
        return
    try:
        with open(path, encoding="utf-8") as file:
            all_cells = json.load(file)["cells"]
        code = [(number, "".join(cell["source"])) for number, cell in enumerate(all_cells, 1) if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        fail("this is no notebook of format 4: " + str(error))
    for number, source in code:
        lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\\n")]
        yield number, "" if source.startswith("%%") else "\\n".join(lines)

for cell, source in cells():
    try:
        tree = ast.parse(source, path)
        compile(tree, path, "exec", dont_inherit=True) if cell is None else None
    except SyntaxError as error:
        fail(type(error).__name__ + ": " + str(error.msg), error.lineno, error.offset, cell)
    except (ValueError, RecursionError, MemoryError) as error:
        fail(type(error).__name__ + ": " + str(error), None, None, cell)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and any(is_register(one) for one in node.decorator_list):
            names.append(node.name)
        elif isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names):
            star = True
        elif isinstance(node, ast.Call) and is_register(node.func):
            given = node.args[:1] + [one.value for one in node.keywords if one.arg == "name"]
            if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                names.append(given[0].value)
            else:
                decorated = [one for one in ast.walk(tree) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in one.decorator_list]
                if given or not decorated:
                    known = False
                names.extend(one.name for one in decorated)
    seen = seen or any(is_register(node) for node in ast.walk(tree))
print(json.dumps(dict(names=sorted(set(names)), isKnown=known and not star and seen)))
`

const readMs = 20_000
const maxBytes = 4 * 1024 * 1024
