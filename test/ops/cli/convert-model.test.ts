import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const root = mkdtempSync(join(tmpdir(), 'waggle-convert-'))

function convert(...argv: readonly string[]): Promise<{ readonly status: number | string | null; readonly out: string; readonly err: string }> {
  return new Promise((settle) => {
    const env = { ...process.env, XDG_CACHE_HOME: root, PATH: `${root}:${process.env.PATH}` }
    execFile(process.execPath, [main, 'models', 'convert', ...argv], { env, cwd: root, timeout: 60_000 }, (error, out, err) =>
      settle({ status: error?.code ?? 0, out, err }),
    )
  })
}

/** A stand-in for Python that converts a file into a copy, with the difference that the file names. */
const python = `#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit 0; fi
if [ "$1" = -m ]; then exit 0; fi
[ "$(cat "$3")" = broken ] && { echo "Traceback" >&2; echo "ValueError: it is broken" >&2; exit 1; }
cp "$3" "$4"
echo a line of a library
echo '{"inputs": [{"name": "X", "type": "tensor(float)", "shape": [-1, 4]}], "rows": 16, "outputs": [{"name": "'$2'", "largest_difference": '$(cat "$3")', "range": 1}]}'
`

describe('waggle models convert', () => {
  after(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, 'python3'), python, { mode: 0o755 })

  it('writes the ONNX file and prints the largest difference of each output', async () => {
    writeFileSync(join(root, 'trees.txt'), '2e-8')
    const { status, out, err } = await convert('trees.txt')
    assert.equal(status, 0, err)
    assert.match(
      out,
      /trees\.onnx takes X \(tensor\(float\) \[-1, 4\]\)\n {2}lightgbm differs by at most 2\.0e-8 in 16 random rows, where its values span 1\.00\n$/,
    )
    assert.equal(readFileSync(join(root, 'trees.onnx'), 'utf8'), '2e-8')
    assert.match(err, /^making a Python environment with scikit-learn==.* once\n$/)
    assert.equal((await convert('trees.txt')).err, '')
  })

  for (const [name, kind] of [
    ['a.joblib', 'scikit-learn'],
    ['a.PKL', 'scikit-learn'],
    ['a.ubj', 'xgboost'],
    ['a.json', 'xgboost'],
    ['a.pb', 'frozen'],
  ] as const)
    it(`treats ${name} as a file of ${kind}`, async () => {
      writeFileSync(join(root, name), '0')
      const { status, out, err } = await convert(name, '--json', '--output', 'other.onnx')
      assert.equal(status, 0, err)
      const { onnx, outputs } = JSON.parse(out) as { readonly onnx: string; readonly outputs: readonly { readonly name: string }[] }
      assert.deepEqual([onnx, outputs[0]?.name], [join(root, 'other.onnx'), kind])
    })

  it('exits with 1 if the outputs differ, and keeps the written file', async () => {
    writeFileSync(join(root, 'far.ubj'), '0.01')
    const { status, out } = await convert('far.ubj')
    assert.equal(status, 1)
    assert.match(out, /differs by at most 1\.0e-2 .*: too much\n/)
    assert.ok(existsSync(join(root, 'far.onnx')))
  })

  it('prints the converter’s own error, and writes no file', async () => {
    writeFileSync(join(root, 'bad.ubj'), 'broken')
    const { status, err } = await convert('bad.ubj')
    assert.equal(status, 1)
    assert.match(err, /Traceback\nValueError: it is broken/)
    assert.ok(!existsSync(join(root, 'bad.onnx')))
  })

  it('refuses a missing file, and a file that no converter reads', async () => {
    mkdirSync(join(root, 'folder'))
    writeFileSync(join(root, 'notes.md'), '')
    mkdirSync(join(root, 'saved'))
    writeFileSync(join(root, 'saved', 'saved_model.pb'), '')
    for (const [file, said] of [
      ['nowhere.keras', /There is no model at nowhere\.keras/],
      ['folder', /folder has no saved_model\.pb/],
      ['saved/saved_model.pb', /saved\/saved_model\.pb is a part of a SavedModel\. Name its folder, saved\./],
      ['notes.md', /notes\.md is of no kind that is converted.*\.keras/],
    ] as const) {
      const { status, err } = await convert(file)
      assert.equal(status, 1)
      assert.match(err, said)
    }
  })

  it('uses another environment for another version of a package', async () => {
    const { status, err } = await convert('a.ubj', '--with', 'xgboost-cpu==9.9.9', 'pandas')
    assert.equal(status, 0)
    assert.match(err, /onnxruntime==\S+, xgboost-cpu==9\.9\.9, pandas/)
    assert.doesNotMatch(err, /xgboost-cpu==3/)
  })
})
