import { html, render, useEffect, useState } from 'htm/preact/standalone'
import { Ask } from './ask.js'
import { Bee } from './bee.js'
import { Profile } from './flame.js'
import { Graph } from './graph.js'
import { Letters } from './letters.js'
import { rateText, useLive } from './live.js'
import { Requests } from './requests.js'
import { SignIn } from './sign-in.js'
import { Waterfall } from './waterfall.js'

const states = {
  connecting: 'Connecting …',
  live: 'Live',
  away: 'The server is away. Reconnecting …',
  'signed-out': 'Signed out',
  elsewhere: 'Not shown here',
}

function Page() {
  const { state, shape, swarms, reconnect } = useLive()
  const [isTried, setIsTried] = useState(false)
  const isTall = useMedia('(max-width: 60rem)')
  const [name, setName] = useState(null)
  const swarm = shape?.swarms.find((one) => one.name === name) ?? shape?.swarms[0]
  const numbers = swarm && swarms.get(swarm.name)
  return html`<header>
      <h1>Waggle</h1>
      ${
        shape?.swarms.length > 1 &&
        html`<label>Swarm <select value=${swarm.name} onChange=${({ target }) => setName(target.value)}>${shape.swarms.map((one) => html`<option>${one.name}</option>`)}</select></label>`
      }
      <span class=${`state ${state}`} role="status">${states[state]}</span>
    </header>
    ${body()}`

  function body() {
    if (state === 'signed-out') {
      const onSignIn = () => {
        setIsTried(true)
        reconnect()
      }
      return html`<${SignIn} isRefused=${isTried} onSignIn=${onSignIn} />`
    }
    if (state === 'elsewhere')
      return html`<main><p class="loading">Without tokens this server shows itself to callers of its own machine alone: open http://127.0.0.1:PORT there, or create a token.</p></main>`
    if (swarm) return html`<${Swarm} key=${swarm.name} ...${{ swarm, numbers, isTall }} />`
    return html`<main><p class="loading">${shape ? 'No swarm runs here.' : states[state]}</p></main>`
  }
}

function Swarm({ swarm, numbers, isTall }) {
  const [selected, setSelected] = useState(null)
  const [request, setRequest] = useState(null)
  const [progress, setProgress] = useState(null)
  const bee = swarm.bees.find((one) => one.name === selected)
  const entrance = swarm.bees.find((one) => swarm.gateways.some((gateway) => gateway.bee === one.name))
  return html`<main>
    <section class="wide" aria-labelledby="swarm-title">
      <div class="head">
        <h2 id="swarm-title">${swarm.name}</h2>
        <p class="quiet">${numbers ? `${rateText(numbers.rates[entrance?.topic])} requests · ${numbers.in_hand} in hand${numbers.not_ready ? ` · ${numbers.not_ready}` : ''}` : 'measuring …'}</p>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Graph"><${Graph} ...${{ swarm, numbers, progress, selected, isTall }} onSelect=${(one) => setSelected(one === selected ? null : one)} /></div>
    </section>
    ${bee && html`<section aria-label=${bee.name}><${Bee} bee=${bee} numbers=${numbers} onFollow=${setRequest} onClose=${() => setSelected(null)} /></section>`}
    <section aria-labelledby="ask-title">
      <h2 id="ask-title">Ask</h2>
      <${Ask} swarm=${swarm} onBegin=${() => setProgress(new Map())} onProgress=${(one, how) => setProgress((known) => new Map(known).set(one, how))} onDone=${setRequest} />
    </section>
    <section aria-labelledby="way-title">
      <h2 id="way-title">The way of a request</h2>
      <${Waterfall} id=${request} onFind=${setRequest} />
      <${Requests} swarm=${swarm.name} onFollow=${setRequest} />
    </section>
    <section aria-labelledby="letters-title">
      <h2 id="letters-title">Dead letters</h2>
      <${Letters} swarm=${swarm.name} onFollow=${setRequest} />
    </section>
    <section class="wide" aria-labelledby="profile-title">
      <h2 id="profile-title">Profile</h2>
      <${Profile} />
    </section>
  </main>`
}

function useMedia(query) {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const media = matchMedia(query)
    const change = () => setMatches(media.matches)
    media.addEventListener('change', change)
    return () => media.removeEventListener('change', change)
  }, [query])
  return matches
}

const place = document.getElementById('page')
place.replaceChildren()
render(html`<${Page} />`, place)
