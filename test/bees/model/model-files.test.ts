import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { FetchWish } from '../../../bees/define-bee.ts'
import { withModelFiles } from '../../../bees/model/model-files.ts'

describe('The files of a model bee', () => {
  let directory: string
  const asked: (readonly [string, FetchWish | undefined])[] = []
  const filed = (spec: { readonly model: string; readonly labels?: readonly string[] | string; readonly sha256?: string }) => {
    asked.length = 0
    const resolve = async (uri: string, _kind?: unknown, fetch?: FetchWish) => {
      asked.push([uri, fetch])
      return join(directory, uri)
    }
    return withModelFiles({ spec, resolve })
  }

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-labels-'))
    const files = {
      'names.txt': 'wax\nhoney\n',
      'names.json': '["wax", "honey"]',
      'empty.txt': '',
      'gap.txt': 'wax\n\nhoney\n',
      'wrong.json': '{"a": 1}',
    }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  })
  after(() => rmSync(directory, { recursive: true }))

  it('include labels from a text file, from a JSON list, or in the spec itself', async () => {
    for (const labels of ['names.txt', 'names.json', ['wax', 'honey']])
      assert.deepEqual((await filed({ model: 'a.onnx', labels })).spec, { model: 'a.onnx', labels: ['wax', 'honey'] })
    assert.deepEqual((await filed({ model: 'a.onnx' })).spec, { model: 'a.onnx' })
  })

  it('are refused if a label file has no labels, and the error names the file', async () => {
    for (const labels of ['empty.txt', 'gap.txt', 'wrong.json'])
      await assert.rejects(
        filed({ model: 'a.onnx', labels }),
        { code: 'WAGGLE_MODEL_INVALID', message: new RegExp(`^${labels} names no labels: `) },
        labels,
      )
  })

  it('may be fetched if they are the model, with its hash, or the labels', async () => {
    const { resolve } = await filed({ model: 'a.onnx', labels: 'names.txt', sha256: 'abc' })
    await resolve('a.onnx', 'file')
    await resolve('ca.pem')
    assert.deepEqual(
      asked.map(([uri, fetch]) => [uri, fetch === undefined ? null : (fetch.sha256 ?? 'no hash')]),
      [
        ['names.txt', 'no hash'],
        ['a.onnx', 'abc'],
        ['ca.pem', null],
      ],
    )
  })
})
