import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

/**
 * Checks that every public method of the DSL, of `Streams` and of the test driver has a docstring with an example, and that every example compiles.
 * An example is a `ts` fence. An example may use the package's exports and the names of `docstring-vocabulary.ts`.
 */
const root = resolve(import.meta.dirname, '..', '..')
const entries = ['ops/index.ts', 'ops/testing/index.ts']
const documented = /^(topology\/(streams\/|consumed\.|produced\.|queries\.)|ops\/streams\/|processor\/simulation\/)/

export interface Method {
  readonly file: string
  readonly line: number
  /** The name of the type and the method, as in `KStream.filter`. */
  readonly name: string
  readonly examples: readonly string[]
}

/**
 * The methods of the exports of `file` whose names are in `names`. For an overloaded method only the first overload is returned. The search relies on
 * the indentation of the formatter.
 */
export function methodsIn(file: string, source: string, names: ReadonlySet<string>): readonly Method[] {
  const methods = new Map<string, Method>()
  const lines = source.split('\n')
  let owner: string | null = null
  for (const [at, line] of lines.entries()) {
    const declared = declaration.exec(line)?.[1]
    if (declared !== undefined) owner = names.has(declared) ? declared : null
    if (line.startsWith('}')) owner = null
    const member = owner === null ? undefined : method.exec(line)?.[1]
    const name = `${owner}.${member}`
    if (member === undefined || member === 'constructor' || methods.has(name)) continue
    const docstring = docstringAbove(lines, at)
    if (!docstring.includes('@internal')) methods.set(name, { file, line: at + 1, name, examples: examplesOf(docstring) })
  }
  return [...methods.values()]
}

const declaration = /^export (?:abstract )?(?:class|interface|const) (\w+)/
/** A method of a class or an interface, or a function of an object. */
const method = /^ {2}(?:static |async )*(\w+)(?:: )?(?:<[^(]*>)?\(/

function docstringAbove(lines: readonly string[], at: number): string {
  if (!lines[at - 1]?.endsWith('*/')) return ''
  let first = at - 1
  while (first > 0 && !lines[first]?.trimStart().startsWith('/**')) first--
  return lines
    .slice(first, at)
    .map((line) => line.replace(/^ *\* ?/, ''))
    .join('\n')
}

function examplesOf(docstring: string): readonly string[] {
  const [, ...examples] = docstring.split('@example')
  return examples.flatMap((example) => [...example.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] ?? ''))
}

/** All methods of the package that must have a docstring. */
export function publicMethods(): readonly Method[] {
  const named = new Map<string, Set<string>>()
  for (const { file, name } of entries.flatMap(exportsOf)) {
    if (documented.test(file)) named.set(file, (named.get(file) ?? new Set()).add(name))
  }
  return [...named].flatMap(([file, names]) => methodsIn(file, readFileSync(join(root, file), 'utf8'), names))
}

interface Export {
  readonly file: string
  readonly name: string
  readonly isType: boolean
}

function exportsOf(entry: string): readonly Export[] {
  const source = readFileSync(join(root, entry), 'utf8')
  const fileOf = (specifier: string) =>
    relative(root, resolve(root, dirname(entry), specifier))
      .split(sep)
      .join('/')
  return [...source.matchAll(/^export (type )?(\*|\{[^}]*\}) from '([^']+)'/gm)].flatMap(([, type, list = '', specifier = '']) => {
    if (list === '*') return exportsOf(fileOf(specifier))
    return [...list.matchAll(/(type )?(\w+)(?: as (\w+))?[,\s}]/g)].map(([, isType, name = '']) => ({
      file: fileOf(specifier),
      name,
      isType: (type ?? isType) !== undefined,
    }))
  })
}

/** Writes each example into the folder, as a module whose `example()` returns the builder that it used. Returns the files' names. */
export function writeExamples(methods: readonly Method[], folder: string): readonly string[] {
  const modules = entries.map((entry, at) => ({
    specifier: at === 0 ? 'waggle-streams' : 'waggle-streams/testing',
    values: exportsOf(entry).flatMap(({ name, isType }) => (isType ? [] : [name])),
  }))
  const given = join(root, 'ops/check/docstring-vocabulary.ts')
  return methods.flatMap(({ name, examples }) =>
    examples.map((code, at) => {
      const words = new Set(code.match(/\w+/g))
      const imports = modules.map(
        ({ specifier, values }) => `import { ${values.filter((value) => words.has(value)).join(', ')} } from '${specifier}'\n`,
      )
      const file = `${name}-${at + 1}.ts`
      const vocabulary = `const { ${vocabularyNames.join(', ')} } = vocabulary()\n`
      writeFileSync(
        join(folder, file),
        `${imports.join('')}import { vocabulary } from '${given}'\nexport async function example() {\n${vocabulary}${code}\nreturn builder\n}\n`,
      )
      return file
    }),
  )
}

const vocabularyNames =
  'createServer builder text orderSerde customerSerde orders payments lines clicks customers countriesByCustomer countryNames countries streams driver'.split(
    ' ',
  )

/** Makes a folder inside the package, so that modules in it can import the package by its name. */
export function exampleFolder(): string {
  mkdirSync(join(root, '.waggle'), { recursive: true })
  return mkdtempSync(join(root, '.waggle', 'docstrings-'))
}

function compileErrors(folder: string): string {
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts', join(root, 'connectors/**/*.d.ts')] }),
  )
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', folder], {
    encoding: 'utf8',
  })
  return status === 0 ? '' : stdout
}

if (import.meta.main) {
  const methods = publicMethods()
  for (const { file, line, name, examples } of methods) {
    if (examples.length > 0) continue
    process.stderr.write(`${file}:${line}: ${name} has no example; write a docstring with @example and a ts fence\n`)
    process.exitCode = 1
  }
  const folder = exampleFolder()
  try {
    writeExamples(methods, folder)
    const errors = compileErrors(folder)
    process.stderr.write(errors)
    if (errors !== '') process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
