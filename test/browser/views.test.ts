import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import type { RequestPage } from '../../topology/swarm/log-management.ts'
import type { RequestTrace } from '../../topology/swarm/request/request-trace.ts'
import { describeWithChromium } from '../support/chromium.ts'
import { renewPicture, renewsPictures } from '../support/docs-picture.ts'
import { judgedBees, judgedFiles } from '../support/judged-swarm.ts'
import { patient } from '../support/patient.ts'
import { eventually, SwarmHere } from '../support/swarm-here.ts'
import { looks, onPage } from '../support/watched-page.ts'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
/** A folder for pictures of each view, for people. Null: no pictures are taken. */
const pictures = process.env.PAGE_PICTURES ?? null

/** The views. Each function opens its view from the first view, and waits for a text or an element that appears when the view is complete. */
const views: { readonly [name: string]: (page: Page, here: SwarmHere) => Promise<void> } = {
  swarm: async (page) => {
    await page.getByText('Consumer lag').waitFor()
    await page.locator('.requests li').first().waitFor()
  },
  bee: async (page) => {
    await page.getByRole('button', { name: /^strict, module/ }).click()
    await page.getByRole('heading', { name: 'Newest records' }).waitFor()
    await page.getByText('Spec', { exact: true }).click()
    await page.locator('.letters li').first().waitFor()
  },
  requests: async (page, here) => {
    await page.goto(`${here.url}/#view=requests&request=${await batchedRequest(here)}`)
    await page.locator('.requests li').first().waitFor()
    await page.getByText('in the same batch').first().click()
    await page.locator('.mates button').first().waitFor()
  },
  predictions: async (page) => {
    await page.getByRole('link', { name: 'Predictions' }).click()
    await page.locator('.plot canvas').nth(2).waitFor()
  },
  'dead letters': async (page) => {
    await page.getByRole('link', { name: 'Dead letters' }).click()
    await page.locator('.letters li').first().waitFor()
  },
  topics: async (page, here) => {
    await page.getByRole('link', { name: 'Topics' }).click()
    await page.getByRole('button', { name: `waggle.${here.name}.strict` }).click()
    await page.locator('.letters li').first().waitFor()
  },
  profile: async (page, here) => {
    await page.getByRole('link', { name: 'Profile' }).click()
    await profiled(page, here)
  },
  versions: async (page) => {
    await page.getByRole('link', { name: 'Versions' }).click()
    const text = page.getByLabel('The swarm’s text')
    await text.fill((await text.inputValue()).replace('batch_size: 4', 'batch_size: 8'))
    await page.getByRole('button', { name: 'Compare with what runs' }).click()
    await page.getByText('~ bees changed').waitFor()
  },
}

/** Presses the button of the profile, and sends requests until its flame graph is there. */
async function profiled(page: Page, here: SwarmHere): Promise<void> {
  await page.getByLabel('Seconds').fill('1')
  await page.getByRole('button', { name: 'Profile', exact: true }).click()
  const graph = page.getByRole('group', { name: 'Flame graph' })
  let isDone = false
  const drawn = graph.waitFor().finally(() => {
    isDone = true
  })
  while (!isDone) await (await here.ask({ price: 3 })).body?.cancel()
  await drawn
}

/** A request that shared a batch with others. The inputs were sent at the same time, so there is such a request. */
async function batchedRequest({ url, name }: SwarmHere): Promise<string> {
  const { requests } = (await (await fetch(`${url}/v1/requests?swarm=${name}&state=answered`)).json()) as RequestPage
  for (const { request_id: id } of requests) {
    const { steps } = (await (await fetch(`${url}/v1/requests/${id}/trace`)).json()) as RequestTrace
    if (steps.some(({ batch_mates: mates }) => mates.length > 0)) return id
  }
  throw new Error('No request was in a batch')
}

describeWithChromium('Each view of the page', (browser) => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({}, { name: 'shop', bees: judgedBees, files: judgedFiles, logLevels: { text: 'info', set() {} } })
    const inputs = [...Array(24).keys()].map((price) => ({ price: price % 12 }))
    await Promise.all([...inputs, { text: 'bad' }].map(async (input) => (await patient(() => here.ask(input))).body?.cancel()))
    await eventually(async () => {
      const answer = await fetch(`${here.url}/v1/predictions/disagreement?swarm=${here.name}&table=verdicts&hours=1`)
      return answer.ok && ((await answer.json()) as { readonly rows: readonly unknown[] }).rows.length > 0
    })
  })
  after(() => here?.[Symbol.asyncDispose]())

  for (const [view, reach] of Object.entries(views))
    for (const [look, options] of Object.entries(looks))
      it(`has no fault that axe-core finds, and fits its window: ${view}, ${look}`, async () => {
        await onPage(browser(), { url: `${here.url}/`, options }, async (page) => {
          await page.getByText('Live', { exact: true }).waitFor()
          await reach(page, here)
          if (pictures !== null) {
            mkdirSync(pictures, { recursive: true })
            await page.screenshot({ path: join(pictures, `${view} ${look}.png`.replaceAll(' ', '-')), fullPage: true, animations: 'disabled' })
          }
          if (renewsPictures && look !== 'on a phone') await renewPicture(page, `${view} ${look}`.replaceAll(' ', '-'))
          const width = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
          assert.equal(width, 0, 'the page is wider than its window')
          await page.evaluate(axe)
          const { violations } = (await page.evaluate('axe.run()')) as AxeResults
          assert.deepEqual(
            violations.map(({ id, help, nodes }) => ({
              id,
              help,
              nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 300)} ${failureSummary}`),
            })),
            [],
          )
        })
      })

  it('lists only the chosen items: requests by their outcome, and predictions of one model', async () => {
    await onPage(browser(), { url: `${here.url}/#view=requests` }, async (page) => {
      await page.locator('.requests li', { hasText: 'answered' }).first().waitFor()
      await page.getByLabel('Outcome').selectOption('failed')
      await page.locator('.requests li', { hasText: 'failed at strict' }).waitFor()
      await page.locator('.requests li', { hasText: 'answered' }).first().waitFor({ state: 'detached' })
      await page.getByRole('link', { name: 'Predictions' }).click()
      await page.getByRole('combobox', { name: /^Model/ }).selectOption('strict')
      await page.getByText('Predictions of strict by label', { exact: true }).waitFor()
    })
  })

  it('shows the predictions of the two judges, and links a request about which they disagree', async () => {
    await onPage(browser(), { url: `${here.url}/#view=predictions` }, async (page) => {
      await page.getByText('strict: dear').first().waitFor()
      await page.locator('.requests li', { hasText: 'strict: dear' }).getByRole('button').first().click()
      await page.getByText('version 3').first().waitFor()
    })
  })

  it('profiles the process at the press of a button, and shows a frame of the flame graph as wide as the graph', async () => {
    await onPage(browser(), { url: `${here.url}/#view=profile` }, async (page) => {
      await profiled(page, here)
      await page.getByText(/^\d+\.\d s from /).waitFor()
      // The bees had calls within that second.
      const bees = page.getByRole('table', { name: /Where the time of a request goes/ })
      await bees.getByRole('rowheader', { name: 'strict', exact: true }).waitFor()
      const graph = page.getByRole('group', { name: 'Flame graph' })
      const whole = page.getByRole('button', { name: 'Whole' })
      assert.equal(await whole.isDisabled(), true)
      const bars = graph.getByRole('button')
      const labels = await bars.evaluateAll((found) =>
        found.map((bar) => [bar.getAttribute('aria-label') ?? '', bar.getAttribute('style') ?? ''] as const),
      )
      assert.ok(labels.length > 10, `the graph has ${labels.length} bars`)
      const widthIn = (style: string) => Number(/width: ([\d.]+)%/.exec(style)?.[1] ?? Number.NaN)
      const [label] = labels.find(([, style]) => widthIn(style) < 60 && widthIn(style) > 5) ?? assert.fail('no bar is narrower than the graph')
      const frame = bars.and(page.getByLabel(label, { exact: true })).first()
      await frame.click()
      const widthOf = async () => (await graph.boundingBox())?.width ?? 0
      const box = await frame.boundingBox()
      assert.ok(Math.abs((box?.width ?? 0) - (await widthOf())) < 3, `${box?.width} of ${await widthOf()}`)
      await page.getByText(label, { exact: true }).waitFor()
      await whole.click()
      assert.equal(await whole.isDisabled(), true)
      assert.equal(await bars.count(), labels.length)
    })
  })
})
