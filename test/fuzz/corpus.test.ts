import assert from 'node:assert/strict'
import { relative } from 'node:path'
import { test } from 'node:test'
import { attemptBounds } from './fuzzer.ts'
import { corpusOf, targetsIn } from './target-files.ts'
import { WatchedTarget } from './target-watchdog.ts'

const mutations = 300

for (const files of targetsIn(import.meta.dirname)) {
  test(`The fuzz target ${files.name} survives all inputs that have broken it before, and ${mutations} mutations`, async () => {
    const target = new WatchedTarget(files, attemptBounds)
    try {
      for (const { file, bytes } of corpusOf(files)) {
        const finding = await target.try(bytes)
        assert.equal(finding, null, `${relative(process.cwd(), file)}: ${finding?.message}`)
      }
      const finding = await target.fuzz({ seed: 1, attempts: mutations, durationMs: Number.MAX_SAFE_INTEGER })
      assert.equal(finding, null, `${finding?.message}\n${Buffer.from(finding?.input ?? []).toString('base64')}`)
    } finally {
      await target.close()
    }
  })
}
