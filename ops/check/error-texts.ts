import { globSync, readFileSync } from 'node:fs'
import { resolve, sep } from 'node:path'

/** An error text that does not name its subject, says "is no …", or says “Correct it” without the name of the thing to correct. */
export interface UnclearText {
  readonly file: string
  readonly line: number
  readonly text: string
}

/**
 * Finds unclear error texts: a `message`, `next` or `meaning` that begins with a pronoun, or that says "is no name" instead of "is not a name". A
 * user reads an error alone, so no earlier sentence explains what "It" stands for. A text that says “Correct it” (or this, that, them) is unclear in
 * every field of an error, because it does not name the thing to correct.
 */
export function unclearTextsIn(file: string, source: string): readonly UnclearText[] {
  const texts = Array.from(source.matchAll(errorText)).filter(([, , text = '']) => opening.test(text) || negation.test(text))
  return [...texts, ...source.matchAll(correction)]
    .toSorted((a, b) => a.index - b.index)
    .map(({ index, 2: text = '' }) => ({ file, line: source.slice(0, index).split('\n').length, text }))
}

/** Matches a string after `message:`, `next:` or `meaning:`. The string may begin on the next line. */
const errorText = /\b(?:message|next|meaning):\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g
/** Matches a string that begins with “Correct it” (or this, that, them), also as an argument or a default value. */
const correction = /(['"`])(Correct (?:it|this|that|them)\b(?:\\.|(?!\1)[^\\])*)\1/g
const opening = /^(?:It|He|She|They|This one|What|Who|Whoever)\b/
const negation = /(?<!\b[Tt]here )\b(?:is|are) no (?!(?:more|longer|other|such)\b)\S/

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const files = globSync('{topology,processor,bees,connectors,ops}/**/*.ts', { cwd: root, exclude: ['**/node_modules/**'] })
  const unclear = files.map((file) => file.split(sep).join('/')).flatMap((file) => unclearTextsIn(file, readFileSync(resolve(root, file), 'utf8')))
  for (const { file, line, text } of unclear)
    process.stderr.write(`${file}:${line}: ${text}\n    Name the subject, write "is not a …", and name the thing to correct.\n`)
  process.exitCode = unclear.length === 0 ? 0 : 1
}
