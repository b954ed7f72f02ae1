import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { Page } from 'playwright-core'
import { describeWithChromium } from '../support/chromium.ts'
import { SwarmHere } from '../support/swarm-here.ts'
import { clicked, looks, onPage, sendJson } from '../support/watched-page.ts'

const bees = `  - {name: tidy, type: module, input: {name: entrance}, spec: {file: ./bees.mjs, bee: tidy}}
  - {name: price, type: module, input: {name: tidy}, spec: {file: ./bees.mjs, bee: price}}
  - {name: answer, type: respond, input: {name: price}}`
/** `price` fails for \`bad\` once, and answers bytes with their number. */
const modules = `let isMended = false
export const tidy = (input) => input
export const price = (input) => {
  if (input instanceof Uint8Array || input?.bytes !== undefined) return { picture: true }
  if (input.text === 'bad' && !isMended) {
    isMended = true
    throw new Error('<img src=x onerror=alert(1)>')
  }
  return { price: input.text.length }
}`

/** Runs in the page: the files that somebody drags, as an event of the browser has them. */
const draggedPicture = `(() => {
  const transfer = new DataTransfer()
  const bytes = Uint8Array.from(atob('R0lGODlhAQABAAAAACw='), (character) => character.charCodeAt(0))
  transfer.items.add(new File([bytes], 'dropped.gif', { type: 'image/gif' }))
  return transfer
})()`

describeWithChromium('The page in a browser', (browser) => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({}, { bees, files: { 'bees.mjs': modules } })
  })
  after(() => here[Symbol.asyncDispose]())

  const opened = (options: object, work: (page: Page) => Promise<void>) => onPage(browser(), { url: `${here.url}/`, options }, work)

  for (const [name, options] of Object.entries(looks))
    it(`shows a request on its way through the bees, the request’s answer and its trace: ${name}`, async () => {
      await opened(options, async (page) => {
        await page.getByText('Live', { exact: true }).waitFor()
        await sendJson(page, { text: 'bread' })
        await page.locator('.bee.done').nth(3).waitFor()
        await page.locator('.ask pre', { hasText: '"price": 5' }).waitFor()
        const steps = page.locator('.waterfall tbody th')
        await steps.nth(3).waitFor()
        assert.deepEqual(await steps.allTextContents(), ['entrance', 'tidy', 'price', 'answer'])
        const width = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
        assert.equal(width, 0, 'the page is wider than its window')
      })
    })

  it('opens a bee by keyboard, with the bee’s numbers, spec and newest records', async () => {
    await opened({}, async (page) => {
      await page.getByRole('button', { name: /^entrance, gateway-input/ }).focus()
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'price' }).waitFor()
      await page.getByText(`waggle.${here.name}.price`).first().waitFor()
      await page.getByText('Spec', { exact: true }).click()
      await page.locator('pre', { hasText: './bees.mjs' }).waitFor()
      await page.getByRole('button', { name: 'Close' }).press('Enter')
      await page.getByRole('heading', { name: 'price' }).waitFor({ state: 'detached' })
    })
  })

  it('shows a dead letter as text, and retries it', async () => {
    await opened({}, async (page) => {
      await sendJson(page, { text: 'bad' })
      await page.locator('.ask .bad', { hasText: 'at price' }).waitFor()
      await page.getByRole('link', { name: 'Dead letters' }).click()
      const letter = page.locator('.letters li', { hasText: '<img src=x onerror=alert(1)>' })
      await letter.waitFor()
      await clicked(page, letter.getByRole('button', { name: /^Retry/ }), /\/retry$/)
      await page.getByText(/^Sent again as/).waitFor()
      await letter.waitFor({ state: 'detached' })
    })
  })

  it('shows the decoded records of a topic', async () => {
    await opened({}, async (page) => {
      await sendJson(page, { text: 'a record to look at' })
      await page.locator('.ask pre').waitFor()
      await page.getByRole('link', { name: 'Topics' }).click()
      await page.getByRole('button', { name: `waggle.gateway.${here.name}` }).click()
      await page.locator('.letters pre', { hasText: 'a record to look at' }).first().waitFor()
      await page.goBack()
      await page.getByText('Choose a topic.').waitFor()
    })
  })

  it('finds a request by its idempotency key', async () => {
    await opened({}, async (page) => {
      const answer = await here.ask({ text: 'once' }, { headers: { 'idempotency-key': 'order 66' } })
      const id = answer.headers.get('x-request-id') ?? ''
      await page.getByRole('link', { name: 'Requests' }).click()
      await page.getByLabel('Key').fill('order 66')
      // The list is drawn again meanwhile, but the text that the user has typed stays.
      const other = await here.ask({ text: 'meanwhile' })
      await page.locator('.requests li', { hasText: other.headers.get('x-request-id') ?? '' }).waitFor()
      await page.getByLabel('Key').press('Enter')
      await page.getByText('There are none.').or(page.locator('.requests li')).first().waitFor()
      await page.locator('.requests li', { hasNotText: id }).first().waitFor({ state: 'detached' })
      await page.locator('.requests li').getByRole('button', { name: id }).click()
      await page.locator('.waterfall tbody th').first().waitFor()
    })
  })

  it('sends a picture file that the user chooses', async () => {
    await opened({}, async (page) => {
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: 'dot.gif', mimeType: 'image/gif', buffer: Buffer.from('R0lGODlhAQABAAAAACw=', 'base64') })
      await page.getByText('dot.gif').waitFor()
      await clicked(page, page.getByRole('button', { name: 'Send' }), /\/request$/)
      await page.locator('.ask pre', { hasText: 'picture' }).waitFor()
    })
  })

  it('sends a picture that is dropped on the form, and marks the form while the picture is over it', async () => {
    await opened({}, async (page) => {
      const form = page.locator('.drop')
      await form.waitFor()
      const dataTransfer = await page.evaluateHandle(draggedPicture)
      await form.dispatchEvent('dragover', { dataTransfer })
      await page.locator('.drop.over').waitFor()
      await form.dispatchEvent('drop', { dataTransfer })
      await page.locator('.drop.over').waitFor({ state: 'detached' })
      await page.getByRole('img', { name: 'The picture to send' }).waitFor()
      await page.getByText('dropped.gif').waitFor()
      await clicked(page, page.getByRole('button', { name: 'Send' }), /\/request$/)
      await page.locator('.ask pre', { hasText: 'picture' }).waitFor()
      await page.locator('.bee.done').nth(3).waitFor()
      await page.getByRole('button', { name: 'Remove' }).click()
      await page.getByRole('textbox', { name: /JSON/ }).waitFor()
    })
  })

  it('asks for a token if the server has tokens, and keeps the token for the tab', async () => {
    const closed = await SwarmHere.open({ WAGGLE_TOKENS: 'page=a-secret-of-a-page:read,ask:*' })
    try {
      await onPage(browser(), { url: `${closed.url}/` }, async (page) => {
        for (const token of ['a-wrong-secret-of-all', 'a-secret-of-a-page']) {
          await page.getByLabel('Token').fill(token)
          await page.getByRole('button', { name: 'Sign in' }).click()
          if (token.includes('wrong')) await page.getByRole('alert').waitFor()
        }
        await page.getByText('Live', { exact: true }).waitFor()
        await page.reload()
        await page.getByText('Live', { exact: true }).waitFor()
        await page.getByRole('button', { name: 'Send' }).click()
        await page.locator('.ask pre').waitFor()
      })
    } finally {
      await closed[Symbol.asyncDispose]()
    }
  })

  it('reports that a request is unknown, and that the server is unreachable', async () => {
    await opened({}, async (page) => {
      await page.getByRole('searchbox').fill('nobody')
      await page.getByRole('button', { name: 'Follow' }).click()
      await page.getByText(/^There is no record of the request nobody/).waitFor()
      await page.context().setOffline(true)
      await page.getByRole('button', { name: 'Send' }).click()
      await page.getByText('The server cannot be reached').waitFor()
    })
  })
})
