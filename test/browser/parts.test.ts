import assert from 'node:assert/strict'
import { it } from 'node:test'
import { describeWithChromium } from '../support/chromium.ts'
import { SwarmHere } from '../support/swarm-here.ts'
import { onPage, sendJson } from '../support/watched-page.ts'

const bees = `  - {name: chat, type: module, input: {name: entrance}, spec: {file: ./chat.mjs}}
  - {name: answer, type: respond, input: {name: chat}}`
const files = { 'chat.mjs': 'export default async function* ({ words }) { yield* words }' }

describeWithChromium('Parts on the page', (browser) => {
  it('are counted at their bee and in the way of their request, with the time of the first part', async () => {
    await using here = await SwarmHere.open({}, { bees, files })
    await onPage(browser(), { url: `${here.url}/`, options: {} }, async (page) => {
      await page.getByText('Live', { exact: true }).waitFor()
      await sendJson(page, { words: ['one ', 'two ', 'three'] })
      await page.locator('.ask pre', { hasText: 'one two three' }).waitFor()
      await page.locator('.waterfall th', { hasText: /^chat 3 parts, the first at [\d.]+ m?s$/ }).waitFor()
      assert.equal(await page.locator('.waterfall .first-part').count(), 1)
      await page.getByRole('button', { name: /^chat, module/ }).click()
      await page.getByText('3 published, 19 B').waitFor()
    })
  })
})
