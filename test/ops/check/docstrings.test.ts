import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { exampleFolder, methodsIn, publicMethods, writeExamples } from '../../../ops/check/docstrings.ts'

const source = `
export interface Shown<K> {
  /**
   * Does it.
   *
   * @example
   * \`\`\`ts
   * shown.first(1)
   * \`\`\`
   *
   * @remarks Mind it.
   */
  first(a: number): void
  first(a: string): void
  second<T>(a: T): void
  /** Said without an example. */
  third(): void
  readonly field: number
}

export class Made {
  #field = 1
  constructor() {}

  static with<K>(key: K): Made {
    if (key) return new Made()
    return this.#hidden()
  }

  /** @internal */
  inner(): void {}
  #hidden(): void {}
  get size(): number {}
}

export const Functions = {
  one: (name: string) => name,
  two: <K>(name: K) => name,
}

export class Unexported {
  method(): void {}
}
`

describe('The docstring check', () => {
  const methods = methodsIn('a.ts', source, new Set(['Shown', 'Made', 'Functions']))

  it('finds the methods of interfaces, classes and objects, but no constructors, fields or private members', () => {
    assert.deepEqual(
      methods.map(({ name }) => name),
      ['Shown.first', 'Shown.second', 'Shown.third', 'Made.with', 'Functions.one', 'Functions.two'],
    )
  })

  it('reads the code of an example without the text around it', () => {
    assert.deepEqual(methods[0]?.examples, ['shown.first(1)\n'])
  })

  it('finds a docstring without an example, and a missing docstring', () => {
    assert.deepEqual(
      methods.slice(1).map(({ examples }) => examples.length),
      [0, 0, 0, 0, 0],
    )
  })

  it('covers the methods of streams, tables, stores, windows, the application and the test driver', () => {
    const names = new Set(publicMethods().map(({ name }) => name))
    for (const name of [
      'KStream.join',
      'KTable.suppress',
      'Stores.keyValueStoreBuilder',
      'TimeWindows.advanceBy',
      'Streams.query',
      'TestInputTopic.pipeInput',
    ])
      assert.ok(names.has(name), name)
  })
})

describe('The example of a docstring', () => {
  const folder = exampleFolder()
  after(() => rmSync(folder, { recursive: true, force: true }))
  // An application that does not run answers no queries, so the check only compiles these examples.
  const methods = publicMethods().filter(({ name }) => !/^(Streams|\w+Query)\./.test(name))

  for (const file of writeExamples(methods, folder)) {
    it(`builds a topology or runs: ${file}`, async () => {
      const { example } = await import(pathToFileURL(join(folder, file)).href)
      const builder = await example()
      assert.match(String(builder.build().describe()), /^Topologies:/)
    })
  }
})
