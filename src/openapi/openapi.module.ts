import { type INestApplication, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { ApiDocument } from './api-document.service.js';
import { OpenApiController } from './openapi.controller.js';

@Module({ imports: [DiscoveryModule], controllers: [OpenApiController], providers: [ApiDocument] })
export class OpenApiModule {
  /** For app.setup, once the application is put together. */
  static attach(app: INestApplication): void {
    app.get(ApiDocument).attach(app);
  }
}
