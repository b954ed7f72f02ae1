import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkBeeFile } from '../../../connectors/python/bee-file.ts'
import { findInterpreter } from '../../../connectors/python/interpreter.ts'
import { skipWithoutPython } from '../../support/python-bee.ts'

describe('The check of a Python bee’s file', { skip: skipWithoutPython }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bee-file-'))
  after(() => rmSync(directory, { recursive: true }))

  for (const [how, decorator] of [
    ['a keyword', '@register_bee(name="right")'],
    ['its first argument', '@register_bee("right", batch=True)'],
    ['a qualified decorator', '@waggle.register_bee(name = "right")'],
  ] as const)
    it(`finds the name that ${how} sets, instead of the function's own name`, async () => {
      const file = join(directory, 'bee.py')
      writeFileSync(file, `import waggle\nfrom waggle import register_bee\n\n${decorator}\ndef function(payload):\n    return payload\n`)
      const interpreter = await findInterpreter()
      await checkBeeFile(interpreter, { file, name: 'right' })
      await assert.rejects(checkBeeFile(interpreter, { file, name: 'function' }), { code: 'WAGGLE_INVALID_MODULE', next: /^It has right/ })
    })

  it('accepts any name if only running the file reveals the names', async () => {
    const file = join(directory, 'computed.py')
    writeFileSync(file, 'from waggle import register_bee\nfor n in ("a", "b"):\n    register_bee(n)(lambda payload: payload)\n')
    await checkBeeFile(await findInterpreter(), { file, name: 'b' })
  })
})
