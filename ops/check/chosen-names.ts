import { globSync, readFileSync } from 'node:fs'
import { resolve, sep } from 'node:path'

/** A line of code where a user's name, such as `constructor`, may hit a member of `Object.prototype`. */
export interface UnsafeName {
  readonly file: string
  readonly line: number
  readonly message: string
}

/**
 * Finds objects that are filled or read by names that users choose. Such an object also has inherited names: `constructor`, `toString`, `__proto__`.
 * A `Map` or one call of `Object.fromEntries` has no such names. These forms are refused:
 *
 * 1. a dictionary that starts as `{}` and is filled later; 2. `name in object` with a name that is not a literal; 3. `dictionary[name]`, where
 *    `dictionary` has an index signature of strings in this file: `Object.hasOwn` in the same statement allows this form.
 */
export function unsafeNames(file: string, source: string): readonly UnsafeName[] {
  const code = withoutText(source)
  const found: UnsafeName[] = []
  const complain = (index: number, message: string) => found.push({ file, line: code.slice(0, index).split('\n').length, message })
  for (const { index } of code.matchAll(emptyDictionary))
    complain(index, 'a dictionary that starts as {} has the names of Object.prototype: use a Map')
  for (const { index, 1: name = '', 2: object = '' } of code.matchAll(inObject))
    if (!isLoop(code, index)) complain(index, `"${name} in ${object}" is true for the names of Object.prototype: use Object.hasOwn or a Set`)
  const dictionaries = new Set([...code.matchAll(dictionary)].map(({ 1: name = '' }) => name))
  for (const { index, 1: object = '', 2: name = '' } of code.matchAll(access)) {
    if (!dictionaries.has(object) || statementAt(code, index).includes('Object.hasOwn')) continue
    complain(index, `${object}[${name}] may be a member of Object.prototype: use a Map, or ask Object.hasOwn in the same statement`)
  }
  return found
}

/** The source with strings and comments replaced by spaces. Line breaks stay, and so does the code between ${ and } of a template. */
function withoutText(source: string): string {
  return source.replace(commentOrString, (piece) => piece.replace(/[^\n]/g, ' ')).replace(templateText, (piece) => piece.replace(/[^\n]/g, ' '))
}

/** True for `for (const name in object)` and for mapped types of TypeScript, where `in` has another meaning. */
function isLoop(code: string, index: number): boolean {
  return /(\bfor \((const|let)|\[)\s*$/.test(code.slice(Math.max(0, index - 20), index))
}

function statementAt(code: string, index: number): string {
  const start = code.lastIndexOf('\n', code.lastIndexOf('\n', index) - 1)
  const end = code.indexOf('\n', index)
  return code.slice(Math.max(start, 0), end < 0 ? code.length : end)
}

const commentOrString = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g
const templateText = /(?<=[`}])[^`{}]*(?=\$\{|`)/g
const emptyDictionary = /\{ (?:readonly )?\[\w+: string\]: [^={}]*(?:\{[^{}]*\}[^={}]*)?\} = \{\}/g
const inObject = /\b([a-z]\w*) in ([a-z]\w*)\b/g
const dictionary = /\b(\w+)\??: (?:\{ (?:readonly )?\[\w+: string\])/g
const access = /(?<![\w.])(\w+)\[([a-z]\w*(?:\.\w+)*(?:\([^()]*\))?)\]/g

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const files = globSync('{topology,processor,bees,connectors,ops}/**/*.ts', { cwd: root, exclude: ['**/node_modules/**', '**/*.d.ts'] })
  const unsafe = files.flatMap((file) => unsafeNames(file.split(sep).join('/'), readFileSync(resolve(root, file), 'utf8')))
  for (const { file, line, message } of unsafe) process.stderr.write(`${file}:${line}: ${message}\n`)
  process.exitCode = unsafe.length === 0 ? 0 : 1
}
