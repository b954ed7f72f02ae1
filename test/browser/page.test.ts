import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { describeWithChromium } from '../support/chromium.ts'
import { SwarmHere } from '../support/swarm-here.ts'

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
/** The loading of a page, and answers, may take long on a busy machine. */
const timeout = 60_000

describeWithChromium('The page in a browser', (browser) => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({}, { bees, files: { 'bees.mjs': modules } })
  })
  after(() => here[Symbol.asyncDispose]())

  /** Opens the page, does the work, and fails if the page reported an error or asked another server. */
  async function onPage(options: object, work: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser().newContext(options)
    try {
      const page = await context.newPage()
      page.setDefaultTimeout(timeout)
      const errors: string[] = []
      page.on('pageerror', (error) => void errors.push(String(error)))
      page.on('console', (message) => void (message.text().includes('Content Security Policy') && errors.push(message.text())))
      page.on(
        'request',
        (request) => void (!request.url().startsWith(here.url) && !/^(data|blob):/.test(request.url()) && errors.push(request.url())),
      )
      await page.goto(`${here.url}/`)
      await work(page)
      assert.deepEqual(errors, [])
    } finally {
      await context.close()
    }
  }

  const send = async (page: Page, text: string) => {
    await page.getByRole('textbox', { name: /JSON/ }).fill(JSON.stringify({ text }))
    await clicked(page, page.getByRole('button', { name: 'Send' }), /\/request$/)
  }

  /** Clicks again while the gateway answers 503, as it does if other tests keep the machine busy. */
  async function clicked(page: Page, button: Locator, path: RegExp): Promise<void> {
    for (;;) {
      const [response] = await Promise.all([page.waitForResponse((one) => path.test(one.url())), button.click()])
      if (response.status() !== 503) return
    }
  }

  for (const [name, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    'on a phone': { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  }))
    it(`shows a request on its way through the bees, its answer and its trace: ${name}`, async () => {
      await onPage(options, async (page) => {
        await page.getByText('Live', { exact: true }).waitFor()
        await send(page, 'bread')
        await page.locator('.bee.done').nth(3).waitFor()
        await page.locator('.ask pre', { hasText: '"price": 5' }).waitFor()
        const steps = page.locator('.waterfall tbody th')
        await steps.nth(3).waitFor()
        assert.deepEqual(await steps.allTextContents(), ['entrance', 'tidy', 'price', 'answer'])
        const width = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
        assert.equal(width, 0, 'the page is wider than its window')
      })
    })

  it('opens a bee by keyboard, with the bee’s numbers and newest records', async () => {
    await onPage({}, async (page) => {
      await page.getByRole('button', { name: /^price, module/ }).focus()
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'price' }).waitFor()
      await page.getByText(`waggle.${here.name}.price`).waitFor()
      await page.getByRole('button', { name: 'Close' }).press('Enter')
      await page.getByRole('heading', { name: 'price' }).waitFor({ state: 'detached' })
    })
  })

  it('shows a dead letter as text, and sends it again', async () => {
    await onPage({}, async (page) => {
      await send(page, 'bad')
      await page.locator('.ask .bad', { hasText: 'at price' }).waitFor()
      const letter = page.locator('.letters li', { hasText: '<img src=x onerror=alert(1)>' })
      await letter.waitFor()
      await clicked(page, letter.getByRole('button', { name: /^Retry/ }), /\/retry$/)
      await page.getByText(/^Sent again as/).waitFor()
      await letter.waitFor({ state: 'detached' })
    })
  })

  it('sends a picture file that the user chooses', async () => {
    await onPage({}, async (page) => {
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: 'dot.gif', mimeType: 'image/gif', buffer: Buffer.from('R0lGODlhAQABAAAAACw=', 'base64') })
      await page.getByText('dot.gif').waitFor()
      await clicked(page, page.getByRole('button', { name: 'Send' }), /\/request$/)
      await page.locator('.ask pre', { hasText: 'picture' }).waitFor()
    })
  })

  it('asks for a token if the server has tokens, and keeps the token for the tab', async () => {
    const closed = await SwarmHere.open({ WAGGLE_TOKENS: 'page=a-secret-of-a-page:read,ask:*' })
    const context = await browser().newContext()
    try {
      const page = await context.newPage()
      page.setDefaultTimeout(timeout)
      await page.goto(`${closed.url}/`)
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
    } finally {
      await context.close()
      await closed[Symbol.asyncDispose]()
    }
  })

  it('reports that a request is unknown, and that the server is away', async () => {
    await onPage({}, async (page) => {
      await page.getByRole('searchbox').fill('nobody')
      await page.getByRole('button', { name: 'Follow' }).click()
      await page.getByText(/^There is no record of the request nobody/).waitFor()
      await page.context().setOffline(true)
      await page.getByRole('button', { name: 'Send' }).click()
      await page.getByText('The server cannot be reached').waitFor()
    })
  })
})
