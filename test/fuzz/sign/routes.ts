import 'reflect-metadata';
import { RequestMethod } from '@nestjs/common';
import { AccountsController } from '../../../apps/signer/src/http/accounts.controller.js';
import { CONNECT_ROUTE } from '../../../apps/signer/src/http/connect-route.js';
import { ConnectController } from '../../../apps/signer/src/http/connect.controller.js';
import { OtherRoutesController } from '../../../apps/signer/src/http/other-routes.controller.js';
import { ProvidersController } from '../../../apps/signer/src/http/providers.controller.js';
import { RoomsController } from '../../../apps/signer/src/http/rooms.controller.js';
import { SigningController } from '../../../apps/signer/src/http/signing.controller.js';

/** A route of the signer, as its controllers declare it. */
export interface SignRoute {
  method: string;
  /** With parameters such as `:room_id`. */
  path: string;
}

const CONTROLLERS = [ConnectController, RoomsController, SigningController, AccountsController, ProvidersController, OtherRoutesController];

/** Every route of the signer, out of the code that serves it: one that is new is attacked without a word from anybody. */
export const SIGN_ROUTES: readonly SignRoute[] = [{ method: 'GET', path: CONNECT_ROUTE }, ...CONTROLLERS.flatMap(routesOf)];

function routesOf(controller: (typeof CONTROLLERS)[number]): SignRoute[] {
  const base = String(Reflect.getMetadata('path', controller) ?? '');
  const prototype = controller.prototype as unknown as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype).flatMap((name): SignRoute[] => {
    const handler = prototype[name];
    if (typeof handler !== 'function') return [];
    const paths = Reflect.getMetadata('path', handler) as string | string[] | undefined;
    const method = Reflect.getMetadata('method', handler) as RequestMethod | undefined;
    if (paths === undefined || method === undefined) return [];
    const text = method === RequestMethod.ALL ? 'GET' : RequestMethod[method];
    return [paths].flat().map((path) => ({
      method: text,
      path: `/${[base, path]
        .map((part) => part.replace(/^\/|\/$/g, ''))
        .filter(Boolean)
        .join('/')}`,
    }));
  });
}
