import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { describeWithChromium } from '../support/chromium.ts'
import { ModelVersions } from '../support/model-versions.ts'
import { patient } from '../support/patient.ts'
import { SwarmHere } from '../support/swarm-here.ts'
import { onPage } from '../support/watched-page.ts'

const bees = `  - {name: tidy, type: module, input: {name: entrance}, spec: {file: ./bees.mjs, bee: tidy}}
  - {name: four, type: batch, input: {name: tidy}, spec: {batch_size: 4, timeout_seconds: 600, release: full}}
  - {name: batched, type: module, timeout_seconds: 1200, input: {name: four}, spec: {file: ./bees.mjs, bee: batched}}
  - {name: slow, type: module, timeout_seconds: 1200, input: {name: tidy}, spec: {file: ./bees.mjs, bee: slow}}
  - {name: flaky, type: module, input: {name: tidy}, spec: {file: ./bees.mjs, bee: flaky}}
  - {name: answer, type: respond, input: {join: [batched, slow, flaky]}}`
/** `slow` answers after 40 ms, or not at all. `flaky` fails for `bad`. */
const modules = `export const tidy = (input) => input
export const batched = (input) => input
export const slow = ({ isHeld }) => new Promise((done) => setTimeout(() => done({ slow: true }), isHeld ? 1_000_000 : 40).unref())
export const flaky = ({ text }) => {
  if (text === 'bad') throw new Error('bad text')
  return { flaky: true }
}`

interface Look {
  readonly border: string
  readonly text: string
  readonly colour: string
}

/** Runs in the page. */
const lookOfAFailure = `(() => {
  const bee = document.querySelector('.bee.failing')
  const styleOf = (part) => getComputedStyle(bee.querySelector(part))
  return { border: styleOf('.box').stroke, text: bee.querySelector('.facts.failed').textContent, colour: styleOf('.facts.failed').fill }
})()`

describeWithChromium('The numbers on the page', (browser) => {
  // Each bee has one task, so the number of requests that it holds at once is known.
  const opened = () => SwarmHere.open({ WAGGLE_PARTITIONS: '1', WAGGLE_MAX_REQUESTS_IN_FLIGHT: '2000' }, { bees, files: { 'bees.mjs': modules } })
  let here: SwarmHere
  before(async () => {
    here = await opened()
  })
  after(() => here?.[Symbol.asyncDispose]())

  /** Sends requests in fours, one of which may fail, until the page shows what is sought. */
  async function sendUntil(sought: Locator, { text = 'good' } = {}): Promise<void> {
    let isShown = false
    const shown = sought.waitFor({ state: 'attached' }).finally(() => {
      isShown = true
    })
    while (!isShown)
      await Promise.all(['good', 'good', 'good', text].map(async (one) => (await patient(() => here.ask({ text: one }))).body?.cancel()))
    await shown
  }

  const shownBee = (page: Page, name: string, label: RegExp) => page.getByRole('button', { name: new RegExp(`^${name}, [a-z-]+, ${label.source}`) })
  const labelOf = async (bee: Locator) => (await bee.locator('title').textContent()) ?? ''

  it('are the rate, the mean time of a call, the batch and how full it is, while requests pass', async () => {
    await onPage(browser(), { url: `${here.url}/` }, async (page) => {
      await sendUntil(shownBee(page, 'entrance', /[1-9][\d.]*\/s/))
      const slow = shownBee(page, 'slow', /[\d.]+\/s, \d+ ms/)
      await sendUntil(slow)
      const [, ms = ''] = /\/s, (\d+) ms/.exec(await labelOf(slow)) ?? []
      assert.ok(Number(ms) >= 40, `a call of 40 ms is shown with ${ms} ms`)
      const batched = shownBee(page, 'batched', /.*× 4\.0.*batches 100 % full/)
      await sendUntil(batched)
      const widths = await page
        .locator('.bee', { hasText: 'batched' })
        .locator('.fill rect')
        .evaluateAll((bars) => bars.map((bar) => bar.getAttribute('width')))
      assert.equal(widths.length, 2)
      assert.equal(widths[0], widths[1], 'the bar of a full batch is full')
      // A dot moves on the edges behind each bee whose topic grows.
      await sendUntil(page.locator('.dots .moving').nth(1))
      await page.getByRole('heading', { name: here.name }).waitFor()
      await sendUntil(page.getByText(/^[1-9][\d.]*\/s requests/))
    })
  })

  it('give a bee that fails a red border and the text "failed", and take both back', async () => {
    await onPage(browser(), { url: `${here.url}/`, options: { colorScheme: 'light' } }, async (page) => {
      const failing = page.locator('.bee.failing', { hasText: 'flaky' })
      await sendUntil(failing, { text: 'bad' })
      const look = (await page.evaluate(lookOfAFailure)) as Look
      assert.match(look.text, /^[\d.]+\/s failed/)
      assert.deepEqual([look.border, look.colour], ['rgb(179, 38, 30)', 'rgb(179, 38, 30)'])
      await failing.waitFor({ state: 'detached' })
      // The bee's card has the number of failures since the start.
      await page.getByRole('button', { name: /^flaky, module/ }).click()
      await page.getByText(/^\d+, [1-9]\d* of them failed$/).waitFor()
      const line = page.locator('.log li.error, .log li.warn').first()
      await line.waitFor()
      assert.match((await line.textContent()) ?? '', /bad text/)
    })
  })

  it('are the wait for a call, and the failures, on the edge to the bee', async () => {
    await onPage(browser(), { url: `${here.url}/` }, async (page) => {
      // Three rows wait for the fourth of their batch, for longer than the second between two counts.
      await shownBee(page, 'tidy', /0\/s/).waitFor()
      const submit = async () => (await patient(() => here.ask({ text: 'good' }, { verb: 'submit' }))).body?.cancel()
      for (let at = 0; at < 3; at++) await submit()
      await shownBee(page, 'tidy', /[1-9]/)
        .or(shownBee(page, 'tidy', /0\.[1-9]/))
        .waitFor()
      await shownBee(page, 'tidy', /0\/s/).waitFor()
      await submit()
      const facts = page.locator('.facts-of-edge', { has: page.locator('title', { hasText: /^tidy → batched: [\d.]+ m?s until the call$/ }) })
      await facts.waitFor()
      const [, time = '', unit = ''] = /: ([\d.]+) (m?s) until/.exec((await facts.locator('title').textContent()) ?? '') ?? []
      assert.equal(await facts.locator('text').textContent(), `${time} ${unit}`)
      const ms = Number(time) * (unit === 's' ? 1000 : 1)
      assert.ok(ms >= 500, `three of four rows have waited for a second, and the mean is ${ms} ms`)
      assert.match(await labelOf(shownBee(page, 'batched', /.*/)), new RegExp(`, ${time} ${unit} until a call`))
      const failing = page.locator('.facts-of-edge.failing')
      await sendUntil(failing, { text: 'bad' })
      assert.match((await failing.locator('title').textContent()) ?? '', /^tidy → flaky: .*\d\/s failed$/)
      assert.match((await failing.locator('.bad').textContent()) ?? '', /^✕ [\d.]+\/s$/)
      // A join has no calls.
      assert.equal(await page.locator('.facts-of-edge title', { hasText: '→ answer' }).count(), 0)
    })
  })

  it('count the records that wait before a bee, on the bee, on its edge, on its card and in the table of readers', async () => {
    await using held = await opened()
    // A bee without batches holds 256 inputs at once.
    await Promise.all([...Array(300).keys()].map(async () => (await patient(() => held.ask({ isHeld: true }, { verb: 'submit' }))).body?.cancel()))
    await onPage(browser(), { url: `${held.url}/` }, async (page) => {
      await shownBee(page, 'slow', /.*44 wait/).waitFor()
      await page.locator('.waits text', { hasText: /^44$/ }).waitFor()
      assert.equal(await page.locator('.waits').count(), 1)
      await page.getByRole('region', { name: 'Consumer lag' }).locator('tr', { hasText: 'slow' }).getByText('44', { exact: true }).waitFor()
      await page.getByRole('region', { name: 'Pending joins' }).locator('tr', { hasText: 'answer' }).getByText('300', { exact: true }).waitFor()
      const stores = page.getByRole('region', { name: 'Stores' })
      const requests = stores.locator('tr', { has: page.getByRole('rowheader', { name: 'requests', exact: true }) })
      await requests.getByText('300', { exact: true }).waitFor()
      // Each row has at least the id of its request.
      const [, size = '', unit = ''] = /^([\d.]+) (\w+)$/.exec((await requests.locator('td').last().textContent()) ?? '') ?? []
      assert.ok(Number(size) * (unit === 'KB' ? 1000 : 1) > 300 * 36, `${size} ${unit} in 300 rows`)
      await page.getByText(/^[\d.]+ [KM]B of stores of all swarms and records of the log, by RocksDB’s estimate$/).waitFor()
      await page.getByRole('button', { name: /^slow, module/ }).click()
      await page.getByText('44 records', { exact: true }).waitFor()
    })
  })
})

describeWithChromium('The card of a model', (browser) => {
  it('has its signature, replicas and versions, finds a new version after a reload, and says why another version is refused', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    const model = `  - {name: judge, type: tensor-rt, replicas: 2, input: {name: entrance}, spec: {model: ${versions.path}, versions: all}}
  - {name: answer, type: respond, input: {name: judge}}`
    await using here = await SwarmHere.open({}, { bees: model })
    await (await patient(() => here.ask([1, 0, 0, 0]))).body?.cancel()
    await onPage(browser(), { url: `${here.url}/#bee=judge` }, async (page) => {
      const card = page.getByRole('region', { name: 'judge' })
      const fact = (name: string) => card.locator('dl div', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd')
      await card.getByRole('heading', { name: 'Model' }).waitFor()
      assert.match((await fact('File').textContent()) ?? '', /waggle-versions-/)
      assert.match((await fact('Takes').textContent()) ?? '', /FP32.*4/)
      assert.match((await fact('Gives').textContent()) ?? '', /FP32.*2/)
      assert.match((await fact('Replicas').textContent()) ?? '', /^2/)
      const rows = card.getByRole('region', { name: 'Versions' }).locator('tbody tr')
      const row = (version: number) => rows.filter({ has: page.locator('th', { hasText: new RegExp(`^${version}`) }) })
      await row(1).getByText('serving').waitFor()
      await row(1).getByText('100 %').waitFor()
      versions.add(2)
      versions.add(3, { labels: 3 })
      await card.getByRole('button', { name: 'Reload' }).click()
      await card.getByText('Looked for new versions.').waitFor()
      await row(2).getByText('serving').waitFor()
      await row(2).getByText('100 %').waitFor()
      const refused = row(3).locator('td.bad')
      assert.match((await refused.textContent()) ?? '', /^refused./)
      await card.locator('.log li', { hasText: 'version 3' }).first().waitFor()
    })
  })
})
