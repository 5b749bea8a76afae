/** The page: signs in, and shows the view that its address names. */
import { Api, ApiError } from './api/client.js';
import { Dashboard } from './dashboard.js';
import { byId, setText } from './elements/dom.js';
import { askForOtherKey, forgetKey, keepKey, keyFromAddress, keyToUse, signOut, storedKey, takeSignOutReason } from './session/key.js';
import { wireTheme } from './session/theme.js';

/** Of the key that the tab is signed in with. @type {Dashboard | undefined} */
let dashboard;

/** @param {string} reason why there is a form to fill in; empty where there is nothing to say */
function showForm(reason) {
  byId('signin').hidden = false;
  setText(byId('signin-error'), reason);
  byId('key').focus();
}

/** @param {string} key */
async function signIn(key) {
  const api = new Api(key);
  try {
    await api.call('GET /v1/creators', { query: { limit: 1 } });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    forgetKey();
    showForm(error.status === 401 ? 'This key is not known, or was revoked.' : error.status === 403 ? 'This key lacks the scope read.' : error.message);
    return;
  }
  keepKey(key);
  byId('signin').hidden = true;
  byId('dashboard').hidden = false;
  dashboard = new Dashboard(api);
  dashboard.start().catch((error) => dashboard?.failed(error));
  route();
}

function wire() {
  wireTheme();
  byId('signin-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void signIn(byId('key').value.trim());
  });
  byId('signout').addEventListener('click', () => {
    dashboard?.stop();
    signOut();
  });
  for (const button of document.querySelectorAll('[data-close]')) button.addEventListener('click', () => button.closest('dialog')?.close());
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    const main = [...document.querySelectorAll('main')].find(({ offsetParent }) => offsetParent !== null);
    main?.focus();
    main?.scrollIntoView();
  });
  addEventListener('hashchange', () => void addressChanged());
  addEventListener('online', () => dashboard?.live.hurry());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) dashboard?.live.hurry();
  });
}

/** Shows what the address names: `#creators`, `#system`, `#webhooks` or `#webhooks/<endpoint>`. */
function route() {
  const [, view = 'creators', id = ''] = /^#(creators|system|webhooks)(?:\/([\w-]{1,64}))?$/.exec(location.hash) ?? [];
  const webhooks = view === 'webhooks';
  const turned = byId('view-webhooks').hidden === webhooks;
  byId('view-creators').hidden = webhooks;
  byId('view-webhooks').hidden = !webhooks;
  byId('nav-creators').setAttribute('aria-current', webhooks ? 'false' : 'page');
  byId('nav-webhooks').setAttribute('aria-current', webhooks ? 'page' : 'false');
  if (webhooks) dashboard?.webhooks.show(id);
  else if (dashboard?.webhooks.visible) dashboard.webhooks.leave();
  if (view === 'system') byId('system').scrollIntoView();
  else if (turned || webhooks) scrollTo(0, 0);
  dashboard?.draw();
}

/** The address has changed: to another view, or to another key. */
async function addressChanged() {
  const brought = keyFromAddress();
  if (brought === undefined) return route();
  const key = await keyToUse(storedKey(), brought, askForOtherKey);
  if (key === undefined || key === storedKey()) return route();
  keepKey(key);
  location.reload();
}

async function open() {
  const key = await keyToUse(storedKey(), keyFromAddress(), askForOtherKey);
  const reason = takeSignOutReason();
  if (key) await signIn(key);
  else showForm(reason);
}

wire();
void open();
