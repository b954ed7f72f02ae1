/** A step of a documentation page for its reader. `line` is the place in the page. */
export type PageStep =
  | PageCommands
  | { readonly kind: 'write'; readonly line: number; readonly file: string; readonly text: string }
  /** A block that shows output of a program that is running. */
  | { readonly kind: 'log'; readonly line: number; readonly terminal: Terminal; readonly shown: string }
  | { readonly kind: 'stop'; readonly line: number; readonly terminal: Terminal }

export const terminals = ['first', 'second', 'third'] as const
/** The terminal in which the reader runs a program. */
export type Terminal = (typeof terminals)[number]

export interface PageCommands {
  readonly kind: 'run'
  readonly line: number
  readonly script: string
  /** The output that the page shows for the commands; null if it shows none. */
  readonly shown: string | null
  /** True if the page says that the output may appear a moment later. */
  readonly isEventual: boolean
}

export interface PageSection {
  readonly title: string
  readonly steps: readonly PageStep[]
}

/** A block of code in a page. */
export interface CodeBlock {
  readonly line: number
  /** The word behind the fence; empty if there is none. */
  readonly language: string
  /** The reason why no test runs it, as `not-run: REASON` behind the language says; null if there is none. */
  readonly notRun: string | null
  readonly text: string
}

export function codeBlocks(markdown: string): readonly CodeBlock[] {
  return partsOf(markdown).flatMap(({ language, ...part }) => (language === null ? [] : [{ language, ...part }]))
}

/**
 * The steps of a page in Markdown, by its headings. A block of `sh` is run. A following block without a language is its output. If the paragraph
 * before a block says "first terminal", the block is the output of the program there. "Press Ctrl-C in the first terminal" stops that program. After
 * "Within", the output may appear a moment later. A block of any other language is written to a file. The paragraph before the block names the file
 * last. A block with `not-run: REASON` behind its language is left out, and so is its output.
 *
 * @example
 * ```ts
 * pageSections('## Look\n\n```sh\nls\n```\n') // [{ title: 'Look', steps: [{ kind: 'run', line: 3, script: 'ls', shown: null, isEventual: false }] }]
 * ```
 */
export function pageSections(markdown: string): readonly PageSection[] {
  const sections: { title: string; steps: PageStep[] }[] = []
  let steps: PageStep[] = []
  let paragraph = ''
  let isLeftOut = false
  for (const { line, language, notRun, text } of partsOf(markdown)) {
    isLeftOut = notRun !== null || (isLeftOut && language === '')
    if (isLeftOut) continue
    const heading = language === null ? /^#+ (.*)/.exec(text) : null
    if (heading !== null) {
      steps = []
      sections.push({ title: heading[1] ?? '', steps })
    } else if (language === null) {
      const stopped = /\bPress Ctrl-C in the (first|second|third) terminal\b/.exec(text.replaceAll('\n', ' '))
      if (stopped !== null) steps.push({ kind: 'stop', line, terminal: terminalIn(stopped[1]) })
    } else if (language === 'sh') steps.push({ kind: 'run', line, script: text, shown: null, isEventual: /\bWithin\b/.test(paragraph) })
    else if (language !== '') steps.push({ kind: 'write', line, file: fileNamedBy(paragraph, line), text: `${text}\n` })
    else if (/\bfirst terminal\b/.test(paragraph)) steps.push({ kind: 'log', line, terminal: 'first', shown: text })
    else steps.push(printing(steps.pop(), line, text))
    paragraph = language === null ? text : ''
  }
  return sections.filter((section) => section.steps.length > 0)
}

function terminalIn(word: string | undefined): Terminal {
  return terminals.find((terminal) => terminal === word) ?? 'first'
}

function fileNamedBy(paragraph: string, line: number): string {
  const file = /`([^`\s]+)`[^`]*:\s*$/.exec(paragraph)?.[1]
  if (file === undefined) throw new Error(`Line ${line}: the paragraph before this block does not end with a file’s name`)
  return file
}

function printing(step: PageStep | undefined, line: number, shown: string): PageStep {
  if (step?.kind !== 'run' || step.shown !== null) throw new Error(`Line ${line}: no command before this block prints it`)
  return { ...step, shown }
}

interface Part extends Omit<CodeBlock, 'language'> {
  /** The language of a block; null for a paragraph and for a heading. */
  readonly language: string | null
}

function partsOf(markdown: string): readonly Part[] {
  const parts: Part[] = []
  let [from, language, notRun, lines]: [number, string | null, string | null, string[]] = [1, null, null, []]
  const begin = (line: number, next: string | null, reason: string | null = null) => {
    if (language !== null || lines.length > 0) parts.push({ line: from, language, notRun, text: lines.join('\n') })
    ;[from, language, notRun, lines] = [line, next, reason, []]
  }
  for (const [at, text] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)(?: not-run: (.+))?/.exec(text)
    if (fence !== null) begin(at + 1, language === null ? (fence[1] ?? '') : null, fence[2] ?? null)
    else if (text === '' && language === null) begin(at + 2, null)
    else lines.push(text)
  }
  begin(0, null)
  return parts
}
