import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
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
import { checkPicture } from '../support/view-picture.ts'
import { looks, onPage } from '../support/watched-page.ts'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
/** A folder for pictures of each view, for people. Null: no pictures are taken. */
const pictures = process.env.PAGE_PICTURES ?? null

/** The colours of parts that a view has besides its text, light and dark. */
const colours: { readonly [view: string]: { readonly light: readonly string[]; readonly dark: readonly string[] } } = {
  // The lines of two models.
  predictions: { light: ['#8a5a00', '#0b5cad'], dark: ['#f2b62b', '#7ab8ff'] },
  // The bars of requests that wait, and of work.
  profile: { light: ['#f7cf6b', '#ee8b60'], dark: ['#f7cf6b', '#ee8b60'] },
  // The bars of the waterfall.
  requests: { light: ['#e0a100', '#d8d2c4'], dark: ['#f2b62b', '#4a463c'] },
  // The fill of batches.
  swarm: { light: ['#e0a100'], dark: ['#f2b62b'] },
}

/** The views. Each function opens its view from the first view, and waits for a text or an element that appears when the view is complete. */
const views: { readonly [name: string]: (page: Page, here: SwarmHere) => Promise<void> } = {
  swarm: async (page) => {
    await busy(page)
    await page.getByText('Consumer lag').waitFor()
    await page.locator('.requests li').first().waitFor()
  },
  bee: async (page) => {
    await busy(page)
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

/** Waits until the page shows the rate of requests, how full the batches are, and the time that rows wait for them. */
function busy(page: Page): Promise<void> {
  return page.getByRole('button', { name: /^strict, module, [1-9].*batches \d+ % full.* until a call/ }).waitFor()
}

/** Sends requests until it is disposed. The page shows the numbers of the last second alone. */
function trafficTo(here: SwarmHere): AsyncDisposable {
  let isOver = false
  const sent = (async () => {
    while (!isOver) await Promise.all([sendFour(here), pause(100)])
  })()
  return {
    async [Symbol.asyncDispose]() {
      isOver = true
      await sent
    },
  }
}

/** Sends requests that fill a batch. */
async function sendFour(here: SwarmHere): Promise<void> {
  await Promise.all([1, 4, 7, 12].map(async (price) => (await patient(() => here.ask({ price }))).body?.cancel()))
}

/** Presses the button of the profile, and sends requests until its flame graph is there. */
async function profiled(page: Page, here: SwarmHere): Promise<void> {
  await page.getByLabel('Seconds').fill('1')
  await page.getByRole('button', { name: 'Profile', exact: true }).click()
  const graph = page.getByRole('group', { name: 'CPU time' })
  let isDone = false
  const drawn = graph.waitFor().finally(() => {
    isDone = true
  })
  // A process with more load has thousands of frames, which axe-core reads for half a minute.
  while (!isDone) await Promise.all([sendFour(here), pause(100)])
  await drawn
  await page.getByRole('group', { name: 'Time of a request' }).waitFor()
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
        await using _ = ['swarm', 'bee'].includes(view) ? trafficTo(here) : null
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
          await checkPicture(page, {
            isDark: options.colorScheme === 'dark',
            colours: colours[view]?.[options.colorScheme === 'dark' ? 'dark' : 'light'] ?? [],
          })
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

  it('is not as expected if it is blank, if texts overlap, if an element is outside of the window, or if a part has no colour', async () => {
    await onPage(browser(), { url: `${here.url}/`, options: looks.light ?? {} }, async (page) => {
      await page.getByText('Consumer lag').waitFor()
      await page.locator('.requests li').first().waitFor()
      const expected = { isDark: false, colours: [] }
      await checkPicture(page, expected)
      await assert.rejects(checkPicture(page, { ...expected, isDark: true }), /most of the picture is #/)
      await assert.rejects(checkPicture(page, { ...expected, colours: ['#123456'] }), /these colours of its parts/)
      for (const [left, fault] of [
        ['60px', /"shop" overlaps "Waggle"|"Waggle" overlaps "shop"/],
        ['-9px', /<h2 class=""> is outside of the window/],
      ] as const) {
        await page.evaluate(`document.querySelector('h2').style.cssText = 'position: absolute; top: 16px; left: ${left}'`)
        await assert.rejects(checkPicture(page, expected), ({ actual }: { readonly actual: readonly string[] }) => {
          assert.match(actual.join(), fault)
          return true
        })
      }
      await page.evaluate(`document.body.replaceChildren()`)
      await assert.rejects(checkPicture(page, expected), /colours, as a blank page would/)
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
      const request = page.getByRole('group', { name: `Time of a request of ${here.name}` })
      await request.getByRole('button', { name: /^request [\d.]+ m?s, 100\.0 % of the request’s time, mean of \d+$/ }).waitFor()
      await request.getByRole('button', { name: /^strict [\d.]+ m?s, / }).waitFor()
      // A batch of four waits for its rows, and its bee is called; a join works without a call.
      await request.getByRole('button', { name: /^waited .*, strict$/ }).waitFor()
      await request
        .getByRole('button', { name: /^called .*, tidy$/ })
        .or(request.getByRole('button', { name: /^called .*, strict$/ }))
        .first()
        .waitFor()
      const allocations = page.getByRole('group', { name: 'Allocations' })
      await allocations
        .getByRole('button', { name: /^\S.* [\d.]+ [KM]B, [\d.]+ % of the sampled bytes, / })
        .first()
        .waitFor()
      const graph = page.getByRole('group', { name: 'CPU time' })
      const whole = page.getByRole('button', { name: 'Whole: CPU time' })
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
