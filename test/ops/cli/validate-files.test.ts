import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const directory = mkdtempSync(join(tmpdir(), 'waggle-validate-'))

/** Runs `validate`; gives the exit status and the output. */
function validate(bee: string): Promise<{ readonly status: number | string | null; readonly said: string }> {
  const file = join(directory, 'swarm.yaml')
  const entrance = '  - {name: entrance, type: gateway-input, spec: {name: door}}'
  writeFileSync(
    file,
    `name: one\nbees:\n${entrance}\n  - {name: work, input: {name: entrance}, ${bee}}\n  - {name: answer, type: respond, input: {name: work}}\n`,
  )
  return new Promise((settle) => {
    execFile(process.execPath, [main, 'validate', file], { timeout: 60_000 }, (error, out, err) =>
      settle({ status: error?.code ?? 0, said: `${out}${err}` }),
    )
  })
}

describe('waggle validate', () => {
  after(() => rmSync(directory, { recursive: true, force: true }))

  it('refuses a missing module, and one that is no regular file before it reads a byte', async () => {
    execFileSync('mkfifo', [join(directory, 'pipe.mjs')])
    symlinkSync('/dev/zero', join(directory, 'zero.mjs'))
    for (const [file, why] of [
      ['./pipe.mjs', /4:\d+: .*regular file is needed/],
      ['./zero.mjs', /4:\d+: .*regular file is needed/],
      ['/proc/self/environ', /4:\d+: .*regular file is needed/],
      ['./missing.mjs', /4:\d+: There is no file/],
    ] as const) {
      const { status, said } = await validate(`type: module, spec: {file: ${file}}`)
      assert.equal(status, 1, said)
      assert.match(said, why)
    }
  })

  it('refuses environment variables that no process can have', async () => {
    for (const name of ['"A=B"', '""', '"a\\u0001"']) {
      const { status, said } = await validate(`type: container, spec: {image: x, env: {${name}: "1"}}`)
      assert.equal(status, 1, said)
      assert.match(said, /4:\d+/)
    }
    assert.equal((await validate('type: container, spec: {image: x, env: {GOOD_NAME: "1"}}')).status, 0)
  })
})
